package aws

import (
	"crypto/md5"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/backstep/backstep/internal/value"
)

// request is an operation's input as HTTP carries it.
type request struct {
	method string
	path   string // escaped, from its first slash
	query  url.Values
	header http.Header
	body   string
	prefix string // of the host
}

// builder makes a request of parameters.
type builder struct {
	model     *model
	operation *operation
	token     string // for a member that is an idempotency token and was not given
	request   request
}

// build is the request of an operation with parameters, which are an object, or
// why they can't be sent.
func build(m *model, o *operation, params value.Value, token string) (*request, error) {
	b := &builder{model: m, operation: o, token: token}
	b.request = request{method: first(o.Method, http.MethodPost), query: url.Values{}, header: http.Header{}}
	params, err := b.known(o.Input.shape, params)
	if err == nil {
		err = b.route(params)
	}
	if err == nil {
		err = b.fill(params)
	}
	if err != nil {
		return nil, err
	}
	if o.MD5 && b.request.header.Get("Content-Md5") == "" {
		sum := md5.Sum([]byte(b.request.body))
		b.request.header.Set("Content-Md5", base64.StdEncoding.EncodeToString(sum[:]))
	}
	return &b.request, nil
}

// known is the parameters by the names of the service's description. Those that
// are null are left out, a name that the structure does not have is refused,
// and a token that is wanted is there.
func (b *builder) known(s *shape, params value.Value) (value.Value, error) {
	if params.Kind() != value.Object && !params.IsAbsent() {
		return params, problem("The parameters are not an object")
	}
	given := value.NewBuilder(params.Len())
	for name, v := range params.Members() {
		m := s.find(name)
		if m == nil {
			return params, problem("The field '" + name + "' is not supported by Step Functions")
		}
		if v.Kind() != value.Null {
			given.Set(m.Name, v)
		}
	}
	for i := range s.Members {
		if m := &s.Members[i]; m.Token && given.Get(m.Name).IsAbsent() && b.token != "" {
			given.Set(m.Name, value.NewString(b.token))
		}
	}
	return given.Object(), nil
}

// fill writes the parameters into the body, by the service's protocol.
func (b *builder) fill(params value.Value) error {
	m, r := b.model, &b.request
	switch m.Protocol {
	case "query", "ec2":
		return b.form(params)
	case "json":
		r.header.Set("X-Amz-Target", m.Target+"."+b.operation.Name)
		r.header.Set("Content-Type", "application/x-amz-json-"+first(m.JSON, "1.0"))
		body, err := b.json(params, &b.operation.Input)
		r.body = body.Text().String()
		return err
	}
	return b.restBody(params)
}

// restBody writes the body of a request whose URL tells the operation.
func (b *builder) restBody(params value.Value) error {
	s := b.operation.Input.shape
	payload := s.payload()
	switch {
	case payload != nil && payload.shape.Kind != structureKind:
		return b.rawBody(params.Get(payload.Name), payload)
	case payload != nil && params.Get(payload.Name).IsAbsent():
		return b.emptyBody()
	case payload != nil:
		return b.structured(params.Get(payload.Name), payload)
	case b.bodyGiven(params):
		return b.structured(params, &b.operation.Input)
	case s.hasBody():
		return b.emptyBody()
	}
	return nil
}

// bodyGiven reports whether parameters are given that travel in the body.
func (b *builder) bodyGiven(params value.Value) bool {
	for name := range params.Members() {
		if m := b.operation.Input.shape.find(name); m != nil && m.In == "" {
			return true
		}
	}
	return false
}

// rawBody is a body that is bytes or text of the caller's own.
func (b *builder) rawBody(v value.Value, m *member) error {
	if v.IsAbsent() {
		return nil
	}
	b.request.body = stringText(v)
	if b.request.header.Get("Content-Type") == "" {
		kind := "application/octet-stream"
		if m.shape.Kind == stringKind {
			kind = "text/plain"
		}
		b.request.header.Set("Content-Type", kind)
	}
	return nil
}

// emptyBody is the body of an operation that could have one and has none.
func (b *builder) emptyBody() error {
	if b.model.Protocol == "rest-json" {
		b.request.header.Set("Content-Type", "application/json")
		b.request.body = "{}"
	}
	return nil
}

// structured is a body that is a structure.
func (b *builder) structured(v value.Value, m *member) error {
	if b.model.Protocol == "rest-json" {
		b.request.header.Set("Content-Type", "application/json")
		body, err := b.json(v, m)
		b.request.body = body.Text().String()
		return err
	}
	b.request.header.Set("Content-Type", "application/xml")
	x := &xmlWriter{builder: b}
	err := x.root(v, m)
	b.request.body = x.text.String()
	return err
}

// route writes what travels beside the body: path, query, headers and the
// host's prefix.
func (b *builder) route(params value.Value) error {
	path, query, _ := strings.Cut(b.operation.URI, "?")
	for pair := range strings.SplitSeq(query, "&") {
		if name, v, _ := strings.Cut(pair, "="); name != "" {
			b.request.query.Set(name, v)
		}
	}
	labels := labels{path: first(path, "/"), host: b.operation.Prefix}
	for name, v := range params.Members() {
		m := b.operation.Input.shape.find(name)
		var err error
		switch m.In {
		case inPath:
			if b.model.ID == "Route 53" {
				v = lastPart(v)
			}
			err = labels.set(m, v)
		case inQuery:
			err = b.queryString(m, v)
		case inHeader:
			err = b.oneHeader(m, v)
		case inHeaders:
			for key, each := range v.Members() {
				b.request.header.Set(m.wire()+key, stringText(each))
			}
		}
		if err != nil {
			return err
		}
		if err := labels.setHost(m, v); err != nil {
			return err
		}
	}
	if at := strings.IndexByte(labels.path, '{'); at >= 0 && b.model.Protocol != "json" {
		name := strings.TrimRight(strings.SplitN(labels.path[at+1:], "}", 2)[0], "+")
		return problem("The field '" + b.named(name) + "' is required but was missing")
	}
	b.request.path, b.request.prefix = labels.path, labels.host
	return nil
}

// named is a label's member as definitions call it.
func (b *builder) named(label string) string {
	for i := range b.operation.Input.shape.Members {
		if m := &b.operation.Input.shape.Members[i]; m.In == inPath && m.wire() == label {
			return m.sdk
		}
	}
	return label
}

// lastPart is an id of Route 53's without the kind that its answers put before
// it ("/hostedzone/Z1").
func lastPart(v value.Value) value.Value {
	id := stringText(v)
	return value.NewString(id[strings.LastIndexByte(id, '/')+1:])
}

// labels are the parts of a URL that parameters stand in.
type labels struct{ path, host string }

func (l *labels) set(m *member, v value.Value) error {
	text, err := scalarText(v, m, isoFormat)
	if err != nil {
		return err
	}
	if text == "" {
		return problem("The field '" + m.sdk + "' is required but was missing")
	}
	l.path = strings.ReplaceAll(l.path, "{"+m.wire()+"}", escapePath(text, false))
	l.path = strings.ReplaceAll(l.path, "{"+m.wire()+"+}", escapePath(text, true))
	return nil
}

// setHost puts a parameter into the host's prefix, where it is one label and
// nothing that could make another host of it.
func (l *labels) setHost(m *member, v value.Value) error {
	place := "{" + m.Name + "}"
	if !strings.Contains(l.host, place) {
		return nil
	}
	text := stringText(v)
	if !hostLabel.MatchString(text) {
		return invalid(m.sdk)
	}
	l.host = strings.ReplaceAll(l.host, place, text)
	return nil
}

// hostLabel is a label of a host's name.
var hostLabel = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// escapePath percent-encodes all but letters, digits and -_.~, and slashes
// where they divide.
func escapePath(text string, slashes bool) string {
	const digits = "0123456789ABCDEF"
	out := make([]byte, 0, len(text)+16)
	for i := range len(text) {
		c := text[i]
		if isUpper(c) || isLower(c) || isDigit(c) || strings.IndexByte("-_.~", c) >= 0 || slashes && c == '/' {
			out = append(out, c)
			continue
		}
		out = append(out, '%', digits[c>>4], digits[c&15])
	}
	return string(out)
}

// queryString adds a parameter to the query: a list as one pair per item, a map
// as pairs of its own names.
func (b *builder) queryString(m *member, v value.Value) error {
	switch m.shape.Kind {
	case listKind:
		for _, item := range v.Items() {
			text, err := scalarText(item, m.shape.Item, isoFormat)
			if err != nil {
				return err
			}
			b.request.query.Add(m.wire(), text)
		}
	case mapKind:
		for name, each := range v.Members() {
			if each.Kind() != value.Array {
				each = value.NewArray([]value.Value{each})
			}
			for _, item := range each.Items() {
				b.request.query.Add(name, stringText(item))
			}
		}
	default:
		text, err := scalarText(v, m, isoFormat)
		if err != nil {
			return err
		}
		b.request.query.Set(m.wire(), text)
	}
	return nil
}

// oneHeader sets a parameter as a header: a list with commas.
func (b *builder) oneHeader(m *member, v value.Value) error {
	switch {
	case m.JSON:
		b.request.header.Set(m.wire(), base64.StdEncoding.EncodeToString([]byte(stringText(v))))
	case m.shape.Kind == listKind:
		texts := make([]string, 0, v.Len())
		for _, item := range v.Items() {
			text, err := scalarText(item, m.shape.Item, httpFormat)
			if err != nil {
				return err
			}
			if strings.ContainsAny(text, `,"`) && m.shape.Item.shape.Kind == stringKind {
				text = `"` + strings.ReplaceAll(text, `"`, `\"`) + `"`
			}
			texts = append(texts, text)
		}
		b.request.header.Set(m.wire(), strings.Join(texts, ","))
	default:
		text, err := scalarText(v, m, httpFormat)
		if err != nil {
			return err
		}
		b.request.header.Set(m.wire(), text)
	}
	return nil
}
