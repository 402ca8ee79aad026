package items

import (
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// listing goes through the objects of a bucket: each item tells of one, and none
// is opened.
type listing struct{ ask integration.Listing }

func (s *listing) next(p *reading) (*integration.Object, error) {
	s.ask.Limit = int(min(pageItems-int64(len(p.found)), p.most-int64(len(p.found))))
	page, err := p.objects.List(p.context, s.ask)
	if err != nil {
		return nil, &storageError{err}
	}
	for _, o := range page.Objects {
		p.take(item{value: value.NewObject(
			value.Member{Name: "Etag", Value: value.NewString(o.ETag)},
			value.Member{Name: "Key", Value: value.NewString(o.Key)},
			value.Member{Name: "LastModified", Value: value.NewInt(o.LastModified)},
			value.Member{Name: "Size", Value: value.NewInt(o.Size)},
			value.Member{Name: "StorageClass", Value: value.NewString(o.StorageClass)},
		), bytes: len(o.Key)}, "s3://"+s.ask.Bucket)
	}
	s.ask.After, p.Next, p.over = page.Next, page.Next, page.Next == ""
	return nil, nil
}

func (s *listing) done(*reading) error { return nil }

// listed are the objects that a listing finds.
type listed struct {
	ask   integration.Listing
	ahead []integration.Entry
	last  bool // there are none after those ahead
}

func (s *listed) next(p *reading) (*integration.Object, error) {
	for len(s.ahead) == 0 && !s.last {
		page, err := p.objects.List(p.context, s.ask)
		if err != nil {
			return nil, &storageError{err}
		}
		s.ahead, s.ask.After, s.last = page.Objects, page.Next, page.Next == ""
	}
	if len(s.ahead) == 0 {
		p.over = true
		return nil, nil
	}
	entry := s.ahead[0]
	s.ahead = s.ahead[1:]
	if entry.Size == 0 { // nothing is in it; so it is with what stands for a folder
		p.Next = entry.Key
		p.ended++
		return nil, nil
	}
	p.place = place{ETag: entry.ETag}
	return &integration.Object{Bucket: s.ask.Bucket, Key: entry.Key, Owner: p.owner}, nil
}

func (s *listed) done(p *reading) error {
	p.Next, p.place = p.Key, place{}
	return nil
}
