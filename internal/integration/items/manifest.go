package items

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// maxManifest is how many bytes an inventory's manifest may have.
const maxManifest = 8 << 20

// listedAt is an object that a manifest lists, and where the manifest goes on
// after it.
type listedAt struct {
	object integration.Object
	end    int64
}

// manifest is a list of objects in an object. How far it has been gone through
// is the cursor's List.
type manifest struct {
	object integration.Object
	more   func(p *reading, content integration.Content) ([]listedAt, error) // what is listed from List.At on
	ahead  []listedAt
}

func (s *manifest) next(p *reading) (*integration.Object, error) {
	if p.List == nil {
		p.List = &place{}
	}
	if len(s.ahead) == 0 {
		content, err := p.open(s.object, p.List)
		if err != nil {
			return nil, err
		}
		defer content.Close()
		if s.ahead, err = s.more(p, content); err != nil {
			return nil, err
		}
	}
	if len(s.ahead) == 0 {
		p.over = true
		return nil, nil
	}
	at := s.ahead[0]
	s.ahead = s.ahead[1:]
	p.List.At, p.place = at.end, place{Columns: p.List.Columns}
	return &at.object, nil
}

func (s *manifest) done(p *reading) error {
	p.place = place{}
	return nil
}

// unloaded reads on in the manifest of an UNLOAD of Athena, which has the URI of
// an object on each line.
func unloaded(p *reading, content integration.Content) (ahead []listedAt, err error) {
	in, err := p.stream(content, "", p.List.At)
	if err != nil {
		return nil, err
	}
	lines := &records{in: in, comma: ','}
	for len(ahead) < pageItems {
		line, err := lines.record()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		scheme, path, _ := strings.Cut(line[0], "://")
		bucket, key, _ := strings.Cut(path, "/")
		if !strings.EqualFold(scheme, "s3") || bucket == "" || key == "" {
			return nil, failed("the manifest names no object: %q", line[0])
		}
		ahead = append(ahead, listedAt{integration.Object{Bucket: bucket, Key: key, Owner: p.owner}, in.at})
	}
	return ahead, nil
}

// inventory reads the manifest of an S3 inventory: its files are CSV, without a
// header; the manifest has the columns' names.
func inventory(p *reading, content integration.Content) (ahead []listedAt, err error) {
	if content.Size() > maxManifest {
		return nil, failed("the manifest is longer than %d bytes", maxManifest)
	}
	body := make([]byte, content.Size())
	if n, err := content.ReadAt(p.context, body, 0); n < len(body) {
		return nil, &storageError{err}
	}
	text, err := value.Check(string(body))
	if err != nil {
		return nil, fmt.Errorf("the manifest is no JSON: %w", err)
	}
	told := text.Decode()
	if is := told.Get("fileFormat").AsString(); is != "CSV" {
		return nil, failed("the output format of an inventory must be CSV, and is %q", is)
	}
	destination := told.Get("destinationBucket").AsString()
	bucket := destination[strings.LastIndexByte(destination, ':')+1:]
	if p.List.Columns == nil {
		for _, name := range strings.Split(told.Get("fileSchema").AsString(), ",") {
			p.List.Columns = append(p.List.Columns, strings.TrimSpace(name))
		}
	}
	files := told.Get("files").Items()
	for i := p.List.At; i < int64(len(files)); i++ {
		ahead = append(ahead, listedAt{integration.Object{Bucket: bucket, Key: files[i].Get("key").AsString(), Owner: p.owner}, i + 1})
	}
	return ahead, nil
}
