package items

import (
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// listAhead is how many objects a listing looks ahead, where whoever keeps them
// gives so many: a folder is gone through anew for each page of a listing.
const listAhead = 20_000

// listing goes through the objects of a bucket.
type listing struct {
	ask   integration.Listing
	ahead []integration.Entry
	last  bool // there are none after those ahead
}

// entry is the next object; nil after the last.
func (l *listing) entry(p *reading) (*integration.Entry, error) {
	for len(l.ahead) == 0 && !l.last {
		page, err := p.objects.List(p.context, l.ask)
		if err != nil {
			return nil, &storageError{err}
		}
		l.ahead, l.ask.After, l.last = page.Objects, page.Next, page.Next == ""
	}
	if len(l.ahead) == 0 {
		p.over = true
		return nil, nil
	}
	entry := &l.ahead[0]
	l.ahead = l.ahead[1:]
	return entry, nil
}

// told is a source without objects to open: each item tells of one.
type told struct{ listing }

func (s *told) next(p *reading) (*integration.Object, error) {
	o, err := s.entry(p)
	if err != nil || o == nil {
		return nil, err
	}
	p.Next = o.Key
	p.take(item{value: value.NewObject(
		value.Member{Name: "Etag", Value: value.NewString(o.ETag)},
		value.Member{Name: "Key", Value: value.NewString(o.Key)},
		value.Member{Name: "LastModified", Value: value.NewInt(o.LastModified)},
		value.Member{Name: "Size", Value: value.NewInt(o.Size)},
		value.Member{Name: "StorageClass", Value: value.NewString(o.StorageClass)},
	), bytes: len(o.Key)}, "s3://"+s.ask.Bucket)
	return nil, nil
}

func (s *told) done(*reading) error { return nil }

// loaded are the objects that a listing finds. In an empty one nothing is, nor in
// what stands for a folder.
type loaded struct{ listing }

func (s *loaded) next(p *reading) (*integration.Object, error) {
	o, err := s.entry(p)
	if err != nil || o == nil {
		return nil, err
	}
	if o.Size == 0 {
		p.Next = o.Key
		p.ended++
		return nil, nil
	}
	p.place = place{ETag: o.ETag}
	return &integration.Object{Bucket: s.ask.Bucket, Key: o.Key, Owner: p.owner}, nil
}

func (s *loaded) done(p *reading) error {
	p.Next, p.place = p.Key, place{}
	return nil
}
