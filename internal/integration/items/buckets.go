package items

import (
	"context"

	"github.com/backstep/backstep/internal/integration"
)

// Buckets are folders under their names, and elsewhere all others.
type Buckets struct {
	Folders   Folders
	Elsewhere integration.Objects // nil: there are no others
}

// of is who keeps a bucket.
func (b Buckets) of(bucket string) integration.Objects {
	if _, is := b.Folders[bucket]; is || b.Elsewhere == nil {
		return b.Folders
	}
	return b.Elsewhere
}

// Open implements [integration.Objects].
func (b Buckets) Open(ctx context.Context, o integration.Object) (integration.Content, error) {
	return b.of(o.Bucket).Open(ctx, o)
}

// List implements [integration.Objects].
func (b Buckets) List(ctx context.Context, l integration.Listing) (integration.Listed, error) {
	return b.of(l.Bucket).List(ctx, l)
}

// Put implements [integration.Objects].
func (b Buckets) Put(ctx context.Context, o integration.Object, body []byte) error {
	return b.of(o.Bucket).Put(ctx, o, body)
}
