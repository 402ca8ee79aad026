package integration

import (
	"context"
	"io"

	"github.com/backstep/backstep/internal/value"
)

// Objects are objects in buckets, as S3 has them. What goes wrong is an *[Error]
// where the service has a name for it. Many may call at once.
type Objects interface {
	// Open streams an object from byte from on. The caller closes it.
	Open(ctx context.Context, o Object, from int64) (io.ReadCloser, error)
	// List lists a page of objects in the order of their keys.
	List(ctx context.Context, l Listing) (Listed, error)
	// Put writes an object whole, over one that was there.
	Put(ctx context.Context, o Object, body []byte) error
}

// Object names an object.
type Object struct {
	Bucket, Key string
	Version     string // "": the newest
}

// Listing asks for the objects whose keys begin with Prefix.
type Listing struct {
	Bucket, Prefix string
	After          string // the Next of the page before; "": from the first
	Limit          int    // at most so many, from 1; there may be fewer
}

// Listed is a page of objects.
type Listed struct {
	Objects []Entry
	Next    string // asks for the next page; "": this is the last
}

// Entry is an object in a list.
type Entry struct {
	Key          string
	ETag         string // with its quotes
	LastModified int64  // UTC seconds
	Size         int64  // bytes
	StorageClass string
}

// ItemReader reads what a distributed Map goes through, page by page.
type ItemReader interface {
	// Read gives the items after a cursor. An error is an *[Error] where the
	// language has a name for it, and then final; any other is worth another try.
	Read(ctx context.Context, r ItemRequest) (ItemPage, error)
}

// ItemRequest asks for a page of items.
type ItemRequest struct {
	Source value.Value // the ItemReader, its expressions evaluated
	Cursor string      // of the page before; "": from the first
}

// ItemPage is a page of items: an array, or an object whose members are the
// items.
type ItemPage struct {
	Items  value.Value
	Cursor string
	Over   bool // there are no more
}
