package items

import (
	"context"
	"strings"

	"github.com/backstep/backstep/internal/integration"
)

// Text is the text of the one object that there is, whatever it is called: what
// a reader is tried out with.
type Text string

// Open implements [integration.Objects].
func (t Text) Open(context.Context, integration.Object) (integration.Content, error) {
	return content{strings.NewReader(string(t))}, nil
}

// content is the object, open.
type content struct{ *strings.Reader }

// ReadAt implements [integration.Content].
func (c content) ReadAt(_ context.Context, b []byte, at int64) (int, error) {
	return c.Reader.ReadAt(b, at)
}

// ETag implements [integration.Content].
func (content) ETag() string { return `""` }

// Close implements [integration.Content].
func (content) Close() error { return nil }

// List implements [integration.Objects]: nothing is listed.
func (t Text) List(context.Context, integration.Listing) (integration.Listed, error) {
	return integration.Listed{}, nil
}

// Put implements [integration.Objects]: nothing is written.
func (t Text) Put(context.Context, integration.Object, []byte) error { return nil }
