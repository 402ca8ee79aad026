package notify

import "context"

// Topic publishes notices to a topic of SNS. Publish takes the topic, by ARN or
// by name, an id of the message, which is the same for what is published again,
// its subject, of at most 100 characters of ASCII, and its text.
type Topic struct {
	Topic   string
	Publish func(ctx context.Context, topic, id, subject, text string) error
}

// Tell publishes a notice.
func (t *Topic) Tell(ctx context.Context, n *Notice) error {
	ctx, cancel := context.WithTimeout(ctx, postTime)
	defer cancel()
	return t.Publish(ctx, t.Topic, n.ID, plainSubject(n.subject()), n.text())
}

// maxSubject is how long a subject of SNS may be.
const maxSubject = 100

// plainSubject is a subject as SNS takes it.
func plainSubject(text string) string {
	plain := make([]byte, 0, maxSubject)
	for _, r := range text {
		if r > '~' {
			r = '?'
		}
		if plain = append(plain, byte(r)); len(plain) == maxSubject {
			break
		}
	}
	return string(plain)
}
