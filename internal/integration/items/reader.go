// Package items reads what a distributed Map goes through: the records of CSV,
// JSON Lines or Parquet objects, the elements of JSON documents, the objects of a
// bucket. It reads a page at a time from where the page before ended, so that
// what it holds is bounded however long the data is.
//
// It refuses to know where objects are kept ([integration.Objects] does) and
// what becomes of items.
//
// Read reader.go (a page), cursor.go (where a reading stands), source.go and
// manifest.go (which objects are read, one after another), stream.go (the bytes
// of one), then a file per format: csv.go, json.go, lines.go, parquet.go with
// assemble.go, and list.go for objects that a listing finds. folder.go keeps
// objects in folders of this machine.
package items

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// The bounds of a page. An item may be longer than a page: an ItemSelector can
// make less of it. One that is longer than maxItem fails the reading.
const (
	pageItems = 1000
	pageBytes = 256 << 10
	maxItem   = 8 << 20
	maxItems  = 100_000_000 // of all pages
)

// Reader is an [integration.ItemReader] of objects. Many may read at once.
type Reader struct {
	objects integration.Objects

	mu   sync.Mutex
	kept []*kept // the one that was put aside last is the last
}

// NewReader is a reader of objects.
func NewReader(objects integration.Objects) *Reader { return &Reader{objects: objects} }

// item is one item.
type item struct {
	value value.Value
	bytes int     // about so many
	name  *string // of an object's member
}

// decoder reads the items of one object that is open.
type decoder interface {
	// next is the next item; io.EOF after the last.
	next() (item, error)
	// at keeps in the place how far the object has been read.
	at(*place)
	// weight is about how many bytes of memory it holds.
	weight() int
	io.Closer
}

// reading is a page under way, and what it has open.
type reading struct {
	cursor
	objects integration.Objects
	config  value.Value
	owner   string
	kind    string // the format of the objects, as InputType has it
	source  source
	decoder decoder // of the object under way; nil: none is open
	most    int64   // items that may still come, over all pages

	// of the page
	context context.Context
	found   []value.Value
	names   []string // of found, where they are members of an object
	sources []integration.ItemSource
	bytes   int
	ended   int // objects that were read to their end
	over    bool
}

// Read implements [integration.ItemReader].
func (r *Reader) Read(ctx context.Context, request integration.ItemRequest) (integration.ItemPage, error) {
	p := r.resume(request)
	if p == nil {
		var err error
		if p, err = r.begin(request); err != nil {
			return integration.ItemPage{}, err
		}
	}
	p.context = ctx
	page, err := p.read()
	if err != nil || page.Over {
		p.close()
	} else {
		r.keep(request.Source, page.Cursor, p)
	}
	return page, err
}

// begin prepares to read on from a cursor.
func (r *Reader) begin(request integration.ItemRequest) (*reading, error) {
	p := &reading{objects: r.objects, config: request.Source.Get("ReaderConfig")}
	if request.Cursor != "" {
		if err := json.Unmarshal([]byte(request.Cursor), &p.cursor); err != nil {
			return nil, failed("the cursor can't be read: %v", err)
		}
	}
	if err := p.limit(); err != nil {
		return nil, err
	}
	return p, p.choose(request.Source)
}

// failed is a failure to read that is final.
func failed(format string, args ...any) error {
	return integration.NewError("States.ItemReaderFailed", fmt.Sprintf(format, args...), integration.EffectNone)
}

// limit reads MaxItems: 0 is none.
func (p *reading) limit() error {
	p.most = maxItems - p.Count
	given := p.config.Get("MaxItems")
	if given.IsAbsent() {
		return nil
	}
	n, whole := given.AsInt()
	switch {
	case !whole:
		return failed("field MaxItems must be an integer")
	case n < 0:
		return failed("field MaxItems must be positive")
	case n > 0:
		p.most = min(n, maxItems) - p.Count
	}
	return nil
}

// read reads a page.
func (p *reading) read() (integration.ItemPage, error) {
	p.found, p.names, p.sources, p.bytes, p.ended = nil, nil, nil, 0, 0
	for !p.full() && !p.over {
		if err := p.step(); err != nil {
			return integration.ItemPage{}, p.final(err)
		}
	}
	return p.page()
}

// step reads an item, or goes on to the next object.
func (p *reading) step() error {
	if p.decoder == nil {
		return p.advance()
	}
	it, err := p.decoder.next()
	if errors.Is(err, io.EOF) {
		p.close()
		p.ended++
		return p.source.done(p)
	}
	if err != nil {
		return err
	}
	p.take(it, "s3://"+p.Bucket+"/"+p.Key)
	return nil
}

// full reports whether the page takes no more. Objects without items make an end
// of it, too.
func (p *reading) full() bool {
	n := len(p.found)
	return n >= pageItems || p.bytes >= pageBytes || int64(n) >= p.most || p.ended >= pageItems
}

// take adds an item. A member of one of many objects is no member of the page.
func (p *reading) take(it item, uri string) {
	switch _, single := p.source.(*single); {
	case it.name != nil && single:
		p.names = append(p.names, *it.name)
	case it.name != nil:
		it.value = value.NewObject(
			value.Member{Name: "Key", Value: value.NewString(*it.name)}, value.Member{Name: "Value", Value: it.value})
	}
	p.found = append(p.found, it.value)
	p.bytes += it.bytes
	if last := len(p.sources) - 1; last >= 0 && p.sources[last].URI == uri {
		p.sources[last].End = len(p.found)
	} else {
		p.sources = append(p.sources, integration.ItemSource{End: len(p.found), URI: uri})
	}
}

// page is what was read.
func (p *reading) page() (page integration.ItemPage, err error) {
	n := int64(len(p.found))
	page.Over = p.over || n >= p.most
	page.Items, page.Sources = value.NewArray(p.found), p.sources
	if p.names != nil {
		b := value.NewBuilder(len(p.found))
		for i, v := range p.found {
			b.Set(p.names[i], v)
		}
		page.Items = b.Object()
	}
	p.Count += n
	p.most -= n
	if p.decoder != nil {
		p.decoder.at(&p.place)
	}
	text, err := json.Marshal(p.cursor)
	page.Cursor = string(text)
	return page, err
}

// final makes an error of what is wrong with the data; one of the object's
// storage stays what it is.
func (p *reading) final(err error) error {
	var known *integration.Error
	var storage *storageError
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &storage):
		return storage.err
	}
	return failed("%v", err)
}

// close closes what is open.
func (p *reading) close() {
	if p.decoder != nil {
		p.decoder.Close()
		p.decoder = nil
	}
}
