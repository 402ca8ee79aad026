package sim

import (
	"context"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// shelf is where distributed Maps find the items that they read, and leave their
// results. What stands on it is the path stream's matter; results are taken, and
// nobody looks at them.
type shelf struct{ w *world }

// Read gives a few items, or the members of an object.
func (s shelf) Read(context.Context, integration.ItemRequest) (integration.ItemPage, error) {
	text, err := s.w.answers()
	if err != nil {
		return integration.ItemPage{}, err
	}
	items := text.Decode()
	if items.Kind() != value.Object {
		items = value.NewArray([]value.Value{items, value.NewFloat(2)})
	}
	return integration.ItemPage{Items: items, Over: true}, nil
}

// Put takes a file.
func (shelf) Put(context.Context, integration.Object, []byte) error { return nil }

// Open finds nothing.
func (shelf) Open(context.Context, integration.Object) (integration.Content, error) {
	return nil, integration.NewError("S3.NoSuchKeyException", "the shelf is read by Read alone", integration.EffectNone)
}

// List finds nothing.
func (shelf) List(context.Context, integration.Listing) (integration.Listed, error) {
	return integration.Listed{}, nil
}
