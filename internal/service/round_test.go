package service

import "context"

// Round lets a notifier do once what Run does again and again.
func (n *Notifier) Round(ctx context.Context) (more bool, err error) { return n.round(ctx) }
