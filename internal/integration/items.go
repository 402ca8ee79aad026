package integration

import (
	"context"
	"io"

	"github.com/backstep/backstep/internal/value"
)

// Objects are objects in buckets, as S3 has them. What goes wrong is an *[Error]
// where the service has a name for it. Many may call at once.
type Objects interface {
	// Open opens an object for reading. That it is not there shows here. The
	// caller closes it.
	Open(ctx context.Context, o Object) (Content, error)
	// List lists a page of objects in the order of their keys.
	List(ctx context.Context, l Listing) (Listed, error)
	// Put writes an object whole, over one that was there.
	Put(ctx context.Context, o Object, body []byte) error
}

// Object names an object.
type Object struct {
	Bucket, Key string
	Version     string // "": the newest
	Owner       string // account that the bucket must belong to; "": any
}

// Content is an object that is open for reading, by one at a time. All that is
// read of it is of one writing: where the object is written anew meanwhile,
// reading fails.
type Content interface {
	// ReadAt reads as an [io.ReaderAt] does.
	ReadAt(ctx context.Context, b []byte, at int64) (int, error)
	// Size is how many bytes there are.
	Size() int64
	// ETag is another one after each writing of the object. It has its quotes.
	ETag() string
	io.Closer
}

// Listing asks for the objects whose keys begin with Prefix.
type Listing struct {
	Bucket, Prefix string
	Owner          string // account that the bucket must belong to; "": any
	After          string // only keys after it; "": from the first
	Limit          int    // at most so many, from 1; there may be fewer
}

// Listed is a page of objects.
type Listed struct {
	Objects []Entry
	Next    string // the After that asks for the next page; "": this is the last
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
	Items   value.Value
	Sources []ItemSource // in the order of the items
	Cursor  string
	Over    bool // there are no more
}

// ItemSource is where some of a page's items are from: those after the source
// before, and before End.
type ItemSource struct {
	End int    // counted from the page's first
	URI string // s3://bucket/key, or s3://bucket
}
