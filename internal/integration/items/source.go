package items

import (
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// source gives the objects that are read, one after another.
type source interface {
	// next is the next object. nil: there is none any more, which it says to the
	// reading, or none to open.
	next(p *reading) (*integration.Object, error)
	// done goes past the object under way.
	done(p *reading) error
}

// choose finds out what is to be read.
func (p *reading) choose(from value.Value) error {
	arguments := from.Get("Parameters")
	if arguments.IsAbsent() {
		arguments = from.Get("Arguments")
	}
	p.owner = arguments.Get("ExpectedBucketOwner").AsString()
	p.kind = p.config.Get("InputType").AsString()
	bucket, kind := arguments.Get("Bucket").AsString(), p.kind
	object := integration.Object{Bucket: bucket, Key: arguments.Get("Key").AsString(), Version: arguments.Get("VersionId").AsString(), Owner: p.owner}
	lister := p.config.Get("ManifestType").AsString()
	lists := from.Get("Resource").AsString() == "arn:aws:states:::s3:listObjectsV2"
	loads := p.config.Get("Transformation").AsString() == "LOAD_AND_FLATTEN"
	ask := integration.Listing{Bucket: bucket, Prefix: arguments.Get("Prefix").AsString(), Owner: p.owner, After: p.Next, Limit: listAhead}
	switch {
	case lists && loads:
		if p.Key != "" {
			ask.After = p.Key // it is under way
		}
		p.source = &loaded{listing{ask: ask}}
	case lists:
		p.source = &told{listing{ask: ask}}
		return nil
	case lister == "S3_INVENTORY" || lister == "" && kind == "MANIFEST":
		p.source = &manifest{object: object, more: inventory}
		p.kind = "CSV"
		return nil
	case lister == "ATHENA_DATA":
		p.source = &manifest{object: object, more: unloaded}
	default:
		p.source = &single{object: object}
		if kind == "PARQUET" && object.Version != "" {
			return failed("VersionId is not supported for InputType PARQUET")
		}
	}
	switch kind {
	case "CSV", "JSON", "JSONL", "PARQUET":
		return nil
	}
	return failed("InputType %q is not supported", kind)
}

// advance opens the object under way, or else the next one.
func (p *reading) advance() error {
	object := &integration.Object{Bucket: p.Bucket, Key: p.Key, Owner: p.owner}
	if p.Key == "" {
		var err error
		if object, err = p.source.next(p); err != nil || object == nil {
			return err
		}
		p.Bucket, p.Key = object.Bucket, object.Key
	} else if s, is := p.source.(*single); is {
		object = &s.object
	}
	content, err := p.open(*object, &p.place)
	if err != nil {
		return err
	}
	d, err := p.decode(content)
	if err != nil {
		content.Close()
		return err
	}
	p.decoder = d
	return nil
}

// open opens an object, which must be what it was when it was opened first.
func (p *reading) open(o integration.Object, at *place) (integration.Content, error) {
	content, err := p.objects.Open(p.context, o)
	if err != nil {
		return nil, &storageError{err}
	}
	if at.ETag != "" && content.ETag() != at.ETag {
		content.Close()
		return nil, errChanged
	}
	at.ETag = content.ETag()
	return content, nil
}

var errChanged = failed("the object was written anew while it was read")

// decode reads an object by its format, from where it was left.
func (p *reading) decode(content integration.Content) (decoder, error) {
	if p.kind == "PARQUET" {
		return p.parquet(content)
	}
	in, err := p.stream(content, p.Key, p.At)
	if err != nil {
		return nil, err
	}
	switch p.kind {
	case "JSON":
		return &document{in: in, bracket: p.Bracket, pointer: p.config.Get("ItemsPointer").AsString()}, nil
	case "JSONL":
		return &lines{in}, nil
	}
	return p.records(in)
}

// single is one object.
type single struct {
	object integration.Object
}

func (s *single) next(*reading) (*integration.Object, error) { return &s.object, nil }

func (s *single) done(p *reading) error {
	p.over = true
	return nil
}
