// Package items reads what a distributed Map goes through: the records of a CSV
// or JSON Lines object, the elements of a JSON document, the objects of a
// bucket. It reads a page at a time from where the page before ended, so that
// what it holds is bounded however long the data is.
//
// It refuses to know where objects are kept ([integration.Objects] does) and
// what becomes of items.
//
// Read reader.go (the configuration and the cursor), stream.go (how much of an
// object a page may take), then a file per source: csv.go, json.go, lines.go,
// list.go. folder.go keeps objects in folders of this machine.
package items

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// The bounds of a page. An item that is longer than maxItem fails the reading:
// no child could have it as its input.
const (
	pageItems = 1000
	pageBytes = 256 << 10
	maxItem   = 256 << 10
	maxItems  = 100_000_000 // of all pages
)

// Reader is an [integration.ItemReader] of objects.
type Reader struct{ Objects integration.Objects }

// cursor is where a reading goes on.
type cursor struct {
	At      int64    `json:"at,omitempty"` // byte of the object
	Count   int64    `json:"n,omitempty"`  // items so far
	Columns []string `json:"columns,omitempty"`
	Bracket string   `json:"open,omitempty"` // of JSON: the bracket that was opened
	Next    string   `json:"next,omitempty"` // of a listing
}

// reading is one page under way.
type reading struct {
	Reader
	cursor
	object  integration.Object
	prefix  string
	config  value.Value
	most    int64 // items that may still come, over all pages
	found   []value.Value
	names   []string // of found, where they are members of an object
	bytes   int
	over    bool
	context context.Context
}

// Read implements [integration.ItemReader].
func (r Reader) Read(ctx context.Context, request integration.ItemRequest) (integration.ItemPage, error) {
	p := &reading{Reader: r, config: request.Source.Get("ReaderConfig"), context: ctx}
	if request.Cursor != "" {
		if err := json.Unmarshal([]byte(request.Cursor), &p.cursor); err != nil {
			return integration.ItemPage{}, failed("the cursor can't be read: %v", err)
		}
	}
	arguments := request.Source.Get("Parameters")
	if arguments.IsAbsent() {
		arguments = request.Source.Get("Arguments")
	}
	p.object = integration.Object{
		Bucket: arguments.Get("Bucket").AsString(), Key: arguments.Get("Key").AsString(), Version: arguments.Get("VersionId").AsString(),
	}
	p.prefix = arguments.Get("Prefix").AsString()
	if err := p.limit(); err != nil {
		return integration.ItemPage{}, err
	}
	if err := p.read(request.Source.Get("Resource").AsString()); err != nil {
		return integration.ItemPage{}, err
	}
	return p.page()
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

// read reads the page.
func (p *reading) read(resource string) error {
	const list = "arn:aws:states:::s3:listObjectsV2"
	if resource == list {
		if t := p.config.Get("Transformation").AsString(); t != "" && t != "NONE" {
			return failed("Transformation %s is not supported", t)
		}
		return p.list()
	}
	switch kind := p.config.Get("InputType").AsString(); kind {
	case "CSV":
		return p.csv()
	case "JSON":
		return p.json()
	case "JSONL":
		return p.lines()
	default:
		return failed("InputType %q is not supported", kind)
	}
}

// full reports whether the page takes no more items.
func (p *reading) full() bool {
	return len(p.found) >= pageItems || p.bytes >= pageBytes || int64(len(p.found)) >= p.most
}

// take adds an item of about so many bytes.
func (p *reading) take(v value.Value, bytes int) {
	p.found = append(p.found, v)
	p.bytes += bytes
}

// page is what was read.
func (p *reading) page() (page integration.ItemPage, err error) {
	page.Over = p.over || int64(len(p.found)) >= p.most
	page.Items = value.NewArray(p.found)
	if p.names != nil {
		b := value.NewBuilder(len(p.found))
		for i, v := range p.found {
			b.Set(p.names[i], v)
		}
		page.Items = b.Object()
	}
	p.Count += int64(len(p.found))
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
	case err == nil, errors.As(err, &known):
		return err
	case errors.As(err, &storage):
		return storage.err
	}
	return failed("%v", err)
}
