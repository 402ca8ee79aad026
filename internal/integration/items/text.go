package items

import (
	"context"
	"io"
	"strings"

	"github.com/backstep/backstep/internal/integration"
)

// Text is the text of the one object that there is, whatever it is called: what
// a reader is tried out with.
type Text string

// Open implements [integration.Objects].
func (t Text) Open(_ context.Context, _ integration.Object, from int64) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(string(t[min(from, int64(len(t))):]))), nil
}

// List implements [integration.Objects]: nothing is listed.
func (t Text) List(context.Context, integration.Listing) (integration.Listed, error) {
	return integration.Listed{}, nil
}

// Put implements [integration.Objects]: nothing is written.
func (t Text) Put(context.Context, integration.Object, []byte) error { return nil }
