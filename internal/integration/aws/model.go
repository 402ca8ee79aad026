package aws

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// model is what calls need to know of a service: AWS's own description of it,
// without what only people read. It is not changed once it is read.
type model struct {
	ID         string                `json:"id"`             // "Secrets Manager": how endpoints are named
	Name       string                `json:"name"`           // "SecretsManager": how errors are named
	Protocol   string                `json:"protocol"`       // json, query, rest-json, rest-xml, ec2
	Compatible bool                  `json:"qc,omitempty"`   // a json service that still names the errors of its query days
	Version    string                `json:"version"`        // of the API
	JSON       string                `json:"json,omitempty"` // "1.0", "1.1"
	Target     string                `json:"target,omitempty"`
	Namespace  string                `json:"ns,omitempty"` // of XML
	Prefix     string                `json:"prefix"`       // of the host: "secretsmanager"
	Host       string                `json:"host,omitempty"`
	Region     string                `json:"region,omitempty"` // that signs, where Host is the same for all regions
	Signing    string                `json:"signing"`          // the service's name in signatures
	S3         bool                  `json:"s3,omitempty"`     // signs as S3 does
	Operations map[string]*operation `json:"ops"`              // by action: "listSecrets"
	Shapes     []*shape              `json:"shapes"`
	Errors     []fault               `json:"errors,omitempty"`
}

// operation is one action of a service.
type operation struct {
	Name     string `json:"n"` // "ListSecrets"
	Method   string `json:"m,omitempty"`
	URI      string `json:"u,omitempty"`
	Input    member `json:"i"`
	Output   member `json:"o"`
	Wrapper  string `json:"w,omitempty"` // the element of the answer that holds the result
	Prefix   string `json:"h,omitempty"` // of the host, with labels
	Unsigned bool   `json:"a,omitempty"`
	MD5      bool   `json:"c,omitempty"` // the body goes with its checksum
}

// fault is an error that a service's description names.
type fault struct {
	Name string `json:"n"`
	Code string `json:"c,omitempty"` // on the wire, where that is not the name
}

// code is how the wire calls the fault.
func (f fault) code() string {
	if f.Code != "" {
		return f.Code
	}
	return f.Name
}

// kind is what a shape is.
type kind string

// The kinds of shapes, as the models spell them.
const (
	structureKind kind = "structure"
	listKind      kind = "list"
	mapKind       kind = "map"
	stringKind    kind = "s"
	numberKind    kind = "n"
	booleanKind   kind = "b"
	blobKind      kind = "x"
	timestampKind kind = "t"
)

// shape is a type of a service. A scalar that nothing more is known of has no
// place among a model's shapes: members name its kind.
type shape struct {
	Kind    kind     `json:"k"`
	Flat    bool     `json:"f,omitempty"` // no element around the items
	Members []member `json:"m,omitempty"` // of a structure
	Payload string   `json:"p,omitempty"` // the member that is the whole body
	Item    *member  `json:"i,omitempty"` // of a list
	Key     *member  `json:"a,omitempty"` // of a map
	Value   *member  `json:"v,omitempty"`

	// What holds of the values that a service answers with.
	Required []string `json:"r,omitempty"` // members of a structure that are always there
	Words    []string `json:"e,omitempty"` // all that a string may be; nil: anything
	Least    *float64 `json:"b,omitempty"` // of a number its value; of a string, a blob, a list or a map its length
	Most     *float64 `json:"z,omitempty"`
}

// member is a shape at its place: in a structure, a list, a map, or as the
// input or output of an operation.
type member struct {
	Name      string `json:"n,omitempty"` // in the service's description: "taskArn"
	Wire      string `json:"l,omitempty"` // on the wire, where that is another
	In        place  `json:"w,omitempty"`
	Of        string `json:"t,omitempty"` // a scalar kind, or a number in Shapes; "": a string
	Format    string `json:"d,omitempty"` // of a timestamp
	Flat      bool   `json:"f,omitempty"`
	Namespace string `json:"x,omitempty"` // of its element
	Prefix    string `json:"y,omitempty"` // of the namespace
	Attribute bool   `json:"e,omitempty"` // an attribute of the element
	Token     bool   `json:"i,omitempty"` // an idempotency token
	JSON      bool   `json:"j,omitempty"` // a header's text that is JSON
	Query     string `json:"q,omitempty"` // its name in EC2's requests

	shape *shape
	sdk   string // "TaskArn", as the SDK's integrations have it
	first string // the same for the optimised ones: the first letter raised
}

// place is where in a message a member travels; "" is the body.
type place string

// The places beside the body.
const (
	inPath    place = "uri"
	inQuery   place = "querystring"
	inHeader  place = "header"
	inHeaders place = "headers" // a map, by a prefix
	inStatus  place = "statusCode"
)

// wire is the member's name on the wire.
func (m *member) wire() string {
	if m.Wire != "" {
		return m.Wire
	}
	return m.Name
}

// flat reports whether items stand without an element around them.
func (m *member) flat() bool { return m.Flat || m.shape.Flat }

// find is the structure's member of that name, as the SDK, the optimised
// integrations or the service itself spell it; nil where there is none.
func (s *shape) find(name string) *member {
	for i := range s.Members {
		if m := &s.Members[i]; m.sdk == name || m.first == name || m.Name == name {
			return m
		}
	}
	return nil
}

// payload is the member that is the whole body, nil where there is none.
func (s *shape) payload() *member {
	for i := range s.Members {
		if m := &s.Members[i]; s.Payload != "" && m.Name == s.Payload {
			return m
		}
	}
	return nil
}

// hasBody reports whether members of the structure travel in the body.
func (s *shape) hasBody() bool {
	for i := range s.Members {
		if s.Members[i].In == "" {
			return true
		}
	}
	return false
}

// parseModel reads a model and ties its members to their shapes.
func parseModel(text []byte) (*model, error) {
	m := new(model)
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("a service's model: %w", err)
	}
	l := linker{model: m, scalars: map[string]*shape{}}
	for _, o := range m.Operations {
		l.link(&o.Input)
		l.link(&o.Output)
	}
	for _, s := range m.Shapes {
		for i := range s.Members {
			l.link(&s.Members[i])
		}
		l.link(s.Item)
		l.link(s.Key)
		l.link(s.Value)
	}
	return m, l.err
}

// linker ties members to shapes.
type linker struct {
	model   *model
	scalars map[string]*shape
	err     error
}

func (l *linker) link(m *member) {
	if m == nil {
		return
	}
	m.sdk, m.first = sdkName(m.Name), firstRaised(m.Name)
	switch kind(m.Of) {
	case "", stringKind, numberKind, booleanKind, blobKind, timestampKind:
		m.shape = l.scalar(m.Of)
	default:
		i, err := strconv.Atoi(m.Of)
		if err != nil || i < 0 || i >= len(l.model.Shapes) {
			l.err = fmt.Errorf("model of %s: no shape %q", l.model.ID, m.Of)
			return
		}
		m.shape = l.model.Shapes[i]
	}
}

func (l *linker) scalar(of string) *shape {
	if of == "" {
		of = string(stringKind)
	}
	s := l.scalars[of]
	if s == nil {
		s = &shape{Kind: kind(of)}
		l.scalars[of] = s
	}
	return s
}
