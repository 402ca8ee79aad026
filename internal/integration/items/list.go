package items

import (
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// list goes through the objects of a bucket: each item tells of one.
func (p *reading) list() error {
	page, err := p.Objects.List(p.context, integration.Listing{
		Bucket: p.object.Bucket, Prefix: p.prefix, After: p.Next, Limit: int(min(pageItems, max(p.most, 1))),
	})
	if err != nil {
		return err
	}
	for _, o := range page.Objects {
		if int64(len(p.found)) < p.most {
			p.take(value.NewObject(
				value.Member{Name: "Etag", Value: value.NewString(o.ETag)},
				value.Member{Name: "Key", Value: value.NewString(o.Key)},
				value.Member{Name: "LastModified", Value: value.NewInt(o.LastModified)},
				value.Member{Name: "Size", Value: value.NewInt(o.Size)},
				value.Member{Name: "StorageClass", Value: value.NewString(o.StorageClass)},
			), len(o.Key))
		}
	}
	p.Next, p.over = page.Next, page.Next == ""
	return nil
}
