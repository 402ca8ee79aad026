package aws

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

var seed = flag.Uint64("botocore.seed", 1, "which operations are compared with botocore, and with what values")

// botocore is AWS's client for Python, asked what it makes of a call.
type botocore struct {
	t     *testing.T
	write *json.Encoder
	read  *bufio.Scanner
}

func startBotocore(t *testing.T) *botocore {
	t.Helper()
	command := exec.Command("python3", "testdata/ask_botocore.py")
	command.Stderr = os.Stderr
	stdin, _ := command.StdinPipe()
	stdout, _ := command.StdoutPipe()
	if err := command.Start(); err != nil {
		t.Skip("requests are not compared with botocore's: no python3: " + err.Error())
	}
	t.Cleanup(func() { stdin.Close(); command.Wait() })
	b := &botocore{t: t, write: json.NewEncoder(stdin), read: bufio.NewScanner(stdout)}
	b.read.Buffer(nil, 16<<20)
	return b
}

// question is one call or answer that botocore is asked about.
type question struct {
	ID        string            `json:"id"`
	Names     []string          `json:"names"`
	Protocol  string            `json:"protocol"`
	Operation string            `json:"operation"`
	Params    json.RawMessage   `json:"params,omitempty"`
	Status    int               `json:"status,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	Body      string            `json:"body"`
	Read      json.RawMessage   `json:"read,omitempty"` // what was read of it here
}

// opinion is what botocore says.
type opinion struct {
	Missing, Skip, Method, URL, Body string
	Headers                          map[string]string
	Parsed                           json.RawMessage
	Known                            json.RawMessage // of what was read here, the members that botocore knows of
}

func (b *botocore) ask(service string, m *model, o *operation, q question) opinion {
	b.t.Helper()
	q.ID, q.Protocol, q.Operation = m.ID, m.Protocol, o.Name
	dashed := strings.ToLower(strings.ReplaceAll(m.ID, " ", "-"))
	q.Names = []string{service, m.Prefix, dashed, m.Signing, strings.ReplaceAll(m.Prefix, ".", "-")}
	if alias := map[string]string{"EventBridge": "events", "CloudWatch Logs": "logs", "SFN": "stepfunctions", "Cognito Identity Provider": "cognito-idp"}[m.ID]; alias != "" {
		q.Names = append(q.Names, alias)
	}
	if err := b.write.Encode(q); err != nil || !b.read.Scan() {
		b.t.Fatalf("botocore: %v, %v", err, b.read.Err())
	}
	var said opinion
	if err := json.Unmarshal(b.read.Bytes(), &said); err != nil {
		b.t.Fatalf("botocore: %v in %s", err, b.read.Bytes())
	}
	if said.Missing != "" {
		b.t.Skip("requests are not compared with botocore's: " + said.Missing + " is missing")
	}
	return said
}

// drawn is operations of many services, of each protocol, the same for a seed.
func drawn(t *testing.T, seed uint64, perService int, visit func(chance *rand.Rand, service string, m *model, o *operation)) {
	t.Helper()
	chance := rand.New(rand.NewPCG(seed, 1))
	c := newCatalog(models)
	files, err := c.open()
	if err != nil {
		t.Fatal(err)
	}
	services := make([]string, 0, len(files))
	for service := range files {
		services = append(services, service)
	}
	slices.Sort(services)
	chance.Shuffle(len(services), func(i, j int) { services[i], services[j] = services[j], services[i] })
	left := map[string]int{"json": 26, "rest-json": 26, "query": 14, "rest-xml": 4, "ec2": 1}
	for _, service := range services {
		m, err := c.model(service)
		if err != nil {
			t.Fatal(err)
		}
		if left[m.Protocol] == 0 {
			continue
		}
		left[m.Protocol]--
		actions := make([]string, 0, len(m.Operations))
		for action := range m.Operations {
			actions = append(actions, action)
		}
		slices.Sort(actions)
		chance.Shuffle(len(actions), func(i, j int) { actions[i], actions[j] = actions[j], actions[i] })
		n := perService
		if m.Protocol == "ec2" || m.Protocol == "rest-xml" {
			n *= 4
		}
		for _, action := range actions[:min(n, len(actions))] {
			visit(chance, service, m, m.Operations[action])
		}
	}
}

// generator makes values of a shape: the same one by the names of the SDK's
// integrations and by those of the service's description.
type generator struct {
	chance *rand.Rand
	full   bool // members of the top level are all there
	plain  bool // no slashes in a URL's parts
}

func (g *generator) value(m *member, depth int) (sdk, api value.Value) {
	switch s := m.shape; s.Kind {
	case structureKind:
		a, b := value.NewBuilder(4), value.NewBuilder(4)
		for i := range s.Members {
			field := &s.Members[i]
			wanted := depth == 0 && g.full || field.In == inPath || field.Token || g.chance.IntN(4+2*depth) < 3
			if !wanted || strings.HasPrefix(field.Name, "SSECustomerKey") || // botocore makes keys of texts
				depth > 4 && field.shape.Kind != stringKind {
				continue
			}
			x, y := g.value(field, depth+1)
			a.Set(field.sdk, x)
			b.Set(field.Name, y)
		}
		return a.Object(), b.Object()
	case listKind:
		var a, b []value.Value
		for range 1 + g.chance.IntN(2) {
			x, y := g.value(s.Item, depth+1)
			a, b = append(a, x), append(b, y)
		}
		return value.NewArray(a), value.NewArray(b)
	case mapKind:
		x, y := g.value(s.Value, depth+1)
		key := "key-" + fmt.Sprint(g.chance.IntN(100))
		return value.NewObject(value.Member{Name: key, Value: x}), value.NewObject(value.Member{Name: key, Value: y})
	case numberKind:
		v := value.NewInt(int64(g.chance.IntN(100000)))
		if m.In == inStatus {
			v = value.NewInt(http.StatusOK)
		}
		return v, v
	case booleanKind:
		v := value.NewBool(g.chance.IntN(2) == 0)
		return v, v
	case timestampKind:
		v := value.NewString(fmt.Sprintf("2026-11-%02dT10:%02d:07Z", 1+g.chance.IntN(28), g.chance.IntN(60)))
		return v, v
	}
	texts := []string{"plain", "with blank", "ü&<>\"'é", "a/b+c=d?", "100%", "tilde~and,comma"}
	switch {
	case m.Name == "AccountId":
		texts = []string{"123456789012"}
	case m.Name == "CopySource":
		texts = []string{"bucket/key"} // botocore escapes it
	case m.Name == "Bucket":
		texts = []string{"a-bucket"}
	case g.plain:
		texts = []string{"plain", "with blank", "100%"}
	case m.In != "":
		texts = []string{"plain", "with blank", "a/b+c=d?", "100%"}
	}
	v := value.NewString(texts[g.chance.IntN(len(texts))])
	if m.JSON {
		v = value.NewString(`{"a":1}`)
	}
	return v, v
}

// TestRequestsAreBotocores: what goes out for hundreds of operations of dozens
// of services, in all five protocols, is what botocore sends.
func TestRequestsAreBotocores(t *testing.T) {
	python := startBotocore(t)
	compared, services, protocols, skipped := 0, map[string]bool{}, map[string]int{}, map[string]int{}
	drawn(t, *seed, 6, func(chance *rand.Rand, service string, m *model, o *operation) {
		if service == "cloudsearchdomain" || service == "iotdeviceadvisor" {
			return // botocore sends the GETs of the one as POSTs, and knows of a later API of the other
		}
		g := &generator{chance: chance, full: chance.IntN(2) == 0, plain: service == "route53"} // botocore cuts ids at slashes
		sdk, api := g.value(&o.Input, 0)
		want := python.ask(service, m, o, question{Params: json.RawMessage(api.Text().String())})
		if want.Skip != "" {
			skipped[want.Skip]++
			return
		}
		made, err := build(m, o, sdk, "")
		if err != nil {
			t.Errorf("%s:%s: %v of %s", service, o.Name, err, sdk.Text())
			return
		}
		compared++
		services[service] = true
		protocols[m.Protocol]++
		compareRequests(t, service+":"+o.Name, m, o, made, want)
	})
	t.Logf("%d operations of %d services compared (%v); skipped: %v", compared, len(services), protocols, skipped)
	if compared < 200 || len(services) < 50 || len(protocols) < 5 {
		t.Errorf("only %d operations of %d services in %v were compared: %v", compared, len(services), protocols, skipped)
	}
}

// checksums are headers in which clients may differ: botocore sends CRC32 where
// ours sends MD5.
var checksums = []string{"x-amz-sdk-checksum-algorithm", "Content-MD5"}

var unquoted = strings.NewReplacer(`"`, "", `\`, "")

func compareRequests(t *testing.T, what string, m *model, o *operation, got *request, want opinion) {
	t.Helper()
	address, err := (endpoint{url: "http://127.0.0.1:1", named: true}).address(m, got)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	theirs, err := url.Parse(want.URL)
	if err != nil {
		t.Fatal(err)
	}
	path := func(u *url.URL) string { return strings.TrimRight(u.EscapedPath(), "/") } // a later API may have lost a slash
	if got.method != want.Method || path(address) != path(theirs) || address.Query().Encode() != theirs.Query().Encode() {
		t.Errorf("%s: %s %s, want %s %s", what, got.method, address, want.Method, want.URL)
	}
	for i := range o.Input.shape.Members {
		field := &o.Input.shape.Members[i]
		name := field.wire()
		ours, theirs := got.header.Get(name), want.Headers[strings.ToLower(name)]
		switch field.shape.Kind {
		case booleanKind:
			theirs = strings.ToLower(theirs) // an older botocore writes Python's True
		case listKind:
			ours, theirs = unquoted.Replace(ours), unquoted.Replace(theirs) // and quotes nothing
		}
		if field.In == inHeader && !slices.Contains(checksums, name) && ours != theirs {
			t.Errorf("%s: %s: %q, want %q", what, name, ours, theirs)
		}
	}
	if target := want.Headers["x-amz-target"]; got.header.Get("X-Amz-Target") != target {
		t.Errorf("%s: target %s, want %s", what, got.header.Get("X-Amz-Target"), target)
	}
	body, _ := base64.StdEncoding.DecodeString(want.Body)
	if a, b := canonical(m, got.body), canonical(m, string(body)); a != b {
		t.Errorf("%s: body\n%s\nwant\n%s", what, a, b)
	}
	compareSignatures(t, what, m, got.method, theirs, body, want)
}

// compareSignatures signs botocore's own request at its time and for its region,
// which must give its signature. It leaves out what ours has no need of: bodies
// that are not signed, headers that net/http writes, and the services that S3
// is elsewhere (Outposts, Express).
func compareSignatures(t *testing.T, what string, m *model, method string, address *url.URL, body []byte, want opinion) {
	t.Helper()
	_, names, signed := strings.Cut(want.Headers["authorization"], "SignedHeaders=")
	place := strings.Split(want.Headers["authorization"], "/")
	if !signed || place[3] != m.Signing || strings.Contains(names, "content-length") || want.Headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD" {
		return
	}
	names, _, _ = strings.Cut(names, ",")
	r := &http.Request{Method: method, URL: address, Host: address.Host, Header: http.Header{}}
	for name := range strings.SplitSeq(names, ";") {
		if name != "host" {
			r.Header.Set(name, want.Headers[name])
		}
	}
	at, err := time.Parse("20060102T150405Z", want.Headers["x-amz-date"])
	if err != nil {
		t.Fatal(err)
	}
	signer := newSigner(credentials.NewStaticCredentialsProvider("key", "secret", ""), "us-east-1", func() time.Time { return at })
	if err := signer.sign(r, string(body), scope{service: m.Signing, region: place[2], s3: m.S3}); err != nil {
		t.Fatal(err)
	}
	if got := r.Header.Get("Authorization"); got != want.Headers["authorization"] {
		t.Errorf("%s: signed\n%s, want\n%s", what, got, want.Headers["authorization"])
	}
}

// canonical is a body so that bodies that mean the same are the same.
func canonical(m *model, body string) string {
	switch m.Protocol {
	case "query", "ec2":
		form, err := url.ParseQuery(body)
		if err != nil {
			return err.Error()
		}
		return form.Encode()
	case "rest-xml":
		if e, err := parseXML([]byte(body)); err == nil && e != nil {
			return outline(e)
		}
		return body
	}
	if body == "" {
		return "{}" // a later API may have members for the body
	}
	text, err := value.Check(body)
	if err != nil {
		return body
	}
	var sorted any
	json.Unmarshal([]byte(text.String()), &sorted)
	out, _ := json.Marshal(sorted)
	return string(out)
}

// outline is an element with its children in the order of their names.
func outline(e *element) string {
	var parts []string
	for _, c := range e.children {
		parts = append(parts, outline(c))
	}
	slices.Sort(parts)
	attrs := slices.SortedFunc(slices.Values(e.attrs), func(a, b xml.Attr) int { return strings.Compare(a.Name.Local, b.Name.Local) })
	return fmt.Sprintf("<%s %v>%s%s</>", e.name, attrs, strings.TrimSpace(string(e.text)), strings.Join(parts, ""))
}

// TestAnswersAreBotocores: what is read out of answers of hundreds of
// operations, in all five protocols, is what botocore reads.
func TestAnswersAreBotocores(t *testing.T) {
	python := startBotocore(t)
	compared, services, protocols, skipped := 0, map[string]bool{}, map[string]int{}, map[string]int{}
	drawn(t, *seed, 6, func(chance *rand.Rand, service string, m *model, o *operation) {
		g := &generator{chance: chance, full: true}
		_, api := g.value(&o.Output, 0)
		answer, err := answerOf(m, o, api)
		if err != nil {
			t.Errorf("%s:%s: %v", service, o.Name, err)
			return
		}
		headers := map[string]string{}
		for name := range answer.Header {
			headers[name] = answer.Header.Get(name)
		}
		got, err := decode(m, o, answer, sdkStyle)
		if err != nil {
			t.Errorf("%s:%s: %v", service, o.Name, err)
			return
		}
		read := original(got.Object(), &o.Output)
		want := python.ask(service, m, o, question{
			Status: 200, Headers: headers, Body: base64.StdEncoding.EncodeToString(answer.Body), Read: json.RawMessage(read.Text().String())})
		if want.Skip != "" {
			skipped[want.Skip]++
			return
		}
		compared++
		services[service] = true
		protocols[m.Protocol]++
		if theirs := value.Checked(string(want.Parsed)).Decode(); !value.Equal(theirs, value.Checked(string(want.Known)).Decode()) {
			t.Errorf("%s:%s: read %s, botocore %s, out of %s", service, o.Name, read.Text(), theirs.Text(), answer.Body)
		}
	})
	t.Logf("%d operations of %d services compared (%v); skipped: %v", compared, len(services), protocols, skipped)
	if compared < 200 || len(services) < 50 || len(protocols) < 5 {
		t.Errorf("only %d operations of %d services in %v were compared: %v", compared, len(services), protocols, skipped)
	}
}

// original is a result by the names of the service's description.
func original(v value.Value, m *member) value.Value {
	switch s := m.shape; s.Kind {
	case structureKind:
		b := value.NewBuilder(v.Len())
		for name, each := range v.Members() {
			field := s.find(name)
			b.Set(field.Name, original(each, field))
		}
		return b.Object()
	case listKind:
		items := make([]value.Value, v.Len())
		for i, each := range v.Items() {
			items[i] = original(each, s.Item)
		}
		return value.NewArray(items)
	case mapKind:
		b := value.NewBuilder(v.Len())
		for name, each := range v.Members() {
			b.Set(name, original(each, s.Value))
		}
		return b.Object()
	}
	return v
}

// answerOf is the answer that tells a result, as a service would write it.
func answerOf(m *model, o *operation, result value.Value) (*integration.Answer, error) {
	back := &operation{Name: o.Name, Method: "PUT", Input: o.Output}
	b := &builder{model: m, operation: back, request: request{query: url.Values{}, header: http.Header{}}}
	if err := b.route(result); err != nil {
		return nil, err
	}
	a := &integration.Answer{Status: 200, Header: b.request.header}
	switch {
	case m.Protocol == "json" || m.Protocol == "rest-json" || m.Protocol == "rest-xml":
		if m.Protocol == "json" {
			m = &model{Protocol: "rest-json"}
			b.model = m
		}
		if o.Output.Wire == "" {
			back.Input.Wire = o.Name + "Result"
		}
		if err := b.restBody(result); err != nil {
			return nil, err
		}
		a.Body = []byte(b.request.body)
	default:
		x := &xmlWriter{builder: b}
		back.Input.Wire = o.Wrapper
		if o.Wrapper == "" {
			back.Input.Wire = o.Name + "Response"
		}
		if err := x.root(result, &back.Input); err != nil {
			return nil, err
		}
		text := x.text.String()
		if o.Wrapper != "" {
			text = "<" + o.Name + "Response>" + text + "<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></" + o.Name + "Response>"
		}
		a.Body = []byte(text)
	}
	return a, nil
}

// TestErrorsAreBotocores: the code and message that are read out of errors, in
// all five protocols, are those that botocore reads.
func TestErrorsAreBotocores(t *testing.T) {
	python := startBotocore(t)
	compared, protocols := 0, map[string]int{}
	drawn(t, *seed, 1, func(chance *rand.Rand, service string, m *model, o *operation) {
		code := "SomethingElse"
		if len(m.Errors) > 0 {
			code = m.Errors[chance.IntN(len(m.Errors))].code()
		}
		answer := errorAnswer(m, code, chance.IntN(3))
		headers := map[string]string{}
		for name := range answer.Header {
			headers[name] = answer.Header.Get(name)
		}
		want := python.ask(service, m, o, question{Status: answer.Status, Headers: headers, Body: base64.StdEncoding.EncodeToString(answer.Body)})
		if want.Skip != "" {
			return
		}
		var theirs struct {
			Error struct{ Code, Message string }
		}
		if err := json.Unmarshal(want.Parsed, &theirs); err != nil {
			t.Fatal(err)
		}
		compared++
		protocols[m.Protocol]++
		c := &call{model: m, operation: o}
		if got := c.read(answer); got.code != theirs.Error.Code || got.message != theirs.Error.Message || got.request == "" {
			t.Errorf("%s: read %+v, botocore %+v, out of %v %s", service, got, theirs, answer.Header, answer.Body)
		}
	})
	t.Logf("%d errors compared (%v)", compared, protocols)
	if compared < 50 || len(protocols) < 5 {
		t.Errorf("only %d errors in %v were compared", compared, protocols)
	}
}

// errorAnswer is an error as a service of the protocol tells it.
func errorAnswer(m *model, code string, form int) *integration.Answer {
	a := &integration.Answer{Status: 400, Header: http.Header{}}
	message := "something <is> & wrong"
	switch m.Protocol {
	case "json", "rest-json":
		a.Header.Set(integration.RequestIDHeader, "r-1")
		switch {
		case m.Protocol == "rest-json" && form == 0:
			a.Header.Set("X-Amzn-Errortype", code+":http://internal.amazon.com/")
			a.Body = []byte(`{"message":"` + message + `"}`)
		case m.Protocol == "rest-json" && form == 1:
			a.Body = []byte(`{"code":"` + code + `","Message":"` + message + `"}`)
		default:
			a.Body = []byte(`{"__type":"com.amazon.service#` + code + `","message":"` + message + `"}`)
		}
		return a
	}
	inner := "<Code>" + code + "</Code><Message>something &lt;is&gt; &amp; wrong</Message>"
	switch {
	case m.Protocol == "ec2":
		a.Body = []byte("<Response><Errors><Error>" + inner + "</Error></Errors><RequestID>r-1</RequestID></Response>")
	case m.ID == "S3":
		a.Body = []byte("<?xml version=\"1.0\"?><Error>" + inner + "<RequestId>r-1</RequestId><HostId>h</HostId></Error>")
	default:
		a.Body = []byte("<ErrorResponse><Error><Type>Sender</Type>" + inner + "</Error><RequestId>r-1</RequestId></ErrorResponse>")
	}
	return a
}
