package asl

import (
	"math"
	"strings"

	"github.com/backstep/backstep/internal/value"
)

// distributed reads where a distributed Map has its items from and puts its
// results.
func (c *compiler) distributed(s *State, n *node) {
	if r := n.get("ItemReader"); r != nil && c.object(r) {
		s.Map.ItemReader = c.reader(s, r)
	}
	if b := n.get("ItemBatcher"); b != nil && c.object(b) {
		s.Map.ItemBatcher = c.batcher(s, b)
	}
	if w := n.get("ResultWriter"); w != nil && c.object(w) {
		s.Map.ResultWriter = c.writer(s, w)
	}
}

// part compiles an object of a distributed Map whole, its constants too: of
// JSONPath what is a template, of JSONata all but the names of columns.
func (c *compiler) part(s *State, n *node) *Template {
	members := make([]TemplateMember, len(n.items))
	for i, m := range n.items {
		var held *Template
		switch {
		case m.name == "Parameters" || m.name == "BatchInput" && s.Language == JSONPath:
			held = c.payload(m)
		case s.Language == JSONPath || m.name == "CSVHeaders":
			held = &Template{Constant: m.value()}
		case m.name == "ReaderConfig" && m.kind == value.Object:
			held = c.part(s, m)
		default:
			held = c.query(m)
		}
		members[i] = TemplateMember{m.name, held}
	}
	return foldObject(members)
}

func (c *compiler) reader(s *State, n *node) *Template {
	c.stateFields(s, n, kind{fields: readerFields}, false)
	c.required(n, "Resource")
	if r := n.get("Resource"); r != nil {
		c.itemResource(r, "getObject", "listObjectsV2")
	}
	if config := n.get("ReaderConfig"); config != nil && c.object(config) {
		c.readerConfig(s, config)
	}
	return c.part(s, n)
}

// itemResource refuses a resource that is none of the actions of S3.
func (c *compiler) itemResource(n *node, actions ...string) {
	text, ok := c.string(n)
	if !ok {
		return
	}
	r, _ := ParseResource(text)
	for _, action := range actions {
		if r.Service == "s3" && r.Action == action && r.Pattern == RequestResponse {
			return
		}
	}
	c.unrecognized(n, text)
}

// readerChoices are the members of a ReaderConfig that hold one of a few words.
var readerChoices = []struct {
	name  string
	words []string
}{
	{"InputType", []string{"CSV", "JSON", "JSONL", "PARQUET", "MANIFEST"}},
	{"Transformation", []string{"NONE", "LOAD_AND_FLATTEN"}},
	{"ManifestType", []string{"ATHENA_DATA", "S3_INVENTORY"}},
	{"CSVDelimiter", []string{"COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB"}},
	{"CSVHeaderLocation", []string{"FIRST_ROW", "GIVEN"}},
}

func (c *compiler) readerConfig(s *State, n *node) {
	c.stateFields(s, n, kind{fields: readerConfigFields}, false)
	chosen := map[string]string{}
	for _, choice := range readerChoices {
		if m := n.get(choice.name); m != nil {
			chosen[choice.name] = c.choose(m, choice.words...)
		}
	}
	if chosen["Transformation"] == "LOAD_AND_FLATTEN" {
		c.required(n, "InputType")
	}
	if chosen["CSVHeaderLocation"] == "GIVEN" {
		c.required(n, "CSVHeaders")
	}
	if chosen["ManifestType"] == "S3_INVENTORY" && n.get("InputType") != nil {
		c.schema(n.get("InputType"), "Field 'InputType' is not supported for ManifestType 'S3_INVENTORY'")
	}
	if p := n.get("ItemsPointer"); p != nil {
		c.pointer(p)
	}
	c.limit(s, n, "MaxItems", bounds{0, 100_000_000, true})
	headers := n.get("CSVHeaders")
	if headers != nil && c.array(headers) {
		for _, h := range headers.items {
			c.string(h)
		}
	}
}

// pointer refuses what is no JSON Pointer (RFC 6901).
func (c *compiler) pointer(n *node) {
	text, ok := c.string(n)
	if ok && text != "" && text[0] != '/' {
		c.schema(n, "The value for the field 'ItemsPointer' must be a valid JSON Pointer")
	}
}

// limit checks a number within a part. An expression is left to the part.
func (c *compiler) limit(s *State, n *node, name string, b bounds) {
	f := n.get(name)
	if s.Language == JSONata && f != nil && f.kind == value.String && strings.HasPrefix(f.text(), "{%") {
		return
	}
	c.quantity(s, n, name, b)
}

func (c *compiler) batcher(s *State, n *node) *Template {
	c.stateFields(s, n, kind{fields: batcherFields}, false)
	c.limit(s, n, "MaxItemsPerBatch", bounds{1, math.MaxInt64, true})
	c.limit(s, n, "MaxInputBytesPerBatch", bounds{1, 262_144, true})
	return c.part(s, n)
}

func (c *compiler) writer(s *State, n *node) *Template {
	c.stateFields(s, n, kind{fields: writerFields}, false)
	resource, config := n.get("Resource"), n.get("WriterConfig")
	if resource == nil && config == nil {
		c.schema(n, "One of these fields is required: [Resource, WriterConfig]")
	}
	if resource != nil {
		c.itemResource(resource, "putObject")
		if s.Language == JSONata {
			c.required(n, "Arguments")
		} else {
			c.required(n, "Parameters")
		}
	}
	if config != nil && c.object(config) {
		c.supported(config, writerConfigFields)
		c.required(config, "Transformation", "OutputType")
		if t := config.get("Transformation"); t != nil {
			c.choose(t, "NONE", "COMPACT", "FLATTEN")
		}
		if t := config.get("OutputType"); t != nil {
			c.choose(t, "JSON", "JSONL")
		}
	}
	return c.part(s, n)
}
