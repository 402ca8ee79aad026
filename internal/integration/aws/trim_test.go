package aws

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/value"
)

var update = flag.Bool("update", false, "write models.zip anew")

// The module whose descriptions of AWS's services are trimmed to models, and
// the checksum that it must have.
const (
	source    = "github.com/aws/aws-sdk-go@v1.55.8"
	sourceSum = "h1:JRmEUbU52aJQZ2AjX4q4Wu7t4uZjOu71uyNmaWlUkJQ="
)

// descriptions is the folder of the module, which is downloaded only for an
// update.
func descriptions(t *testing.T) string {
	t.Helper()
	command := exec.Command("go", "env", "GOMODCACHE")
	out, err := command.Output()
	dir := filepath.Join(strings.TrimSpace(string(out)), filepath.FromSlash(source))
	if _, missing := os.Stat(dir); err == nil && missing == nil && !*update {
		return dir
	}
	if !*update {
		t.Skip("models.zip is not compared with its source: " + source + " is not in the module cache")
	}
	command = exec.Command("go", "mod", "download", "-json", source)
	command.Dir = t.TempDir()
	out, err = command.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", source, err, out)
	}
	var got struct{ Dir, Sum string }
	if err := json.Unmarshal(out, &got); err != nil || got.Sum != sourceSum {
		t.Fatalf("%s: checksum %s, want %s", source, got.Sum, sourceSum)
	}
	return got.Dir
}

// TestModels makes the models from their source and compares them with those
// that are committed; -update writes them.
func TestModels(t *testing.T) {
	dir := descriptions(t)
	made := trimAll(t, dir)
	if *update {
		if err := os.WriteFile("models.zip", pack(t, made), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	files, err := newCatalog(models).open()
	if err != nil || len(files) != len(made) {
		t.Fatalf("%d models, want %d: %v", len(files), len(made), err)
	}
	for service, want := range made {
		r, err := files[service].Open()
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if _, err := got.ReadFrom(r); err != nil || !bytes.Equal(got.Bytes(), want) {
			t.Errorf("the model of %s is not what its source gives: make generate", service)
		}
	}
}

// pack is the models in one archive.
func pack(t *testing.T, models map[string][]byte) []byte {
	t.Helper()
	services := make([]string, 0, len(models))
	for service := range models {
		services = append(services, service)
	}
	slices.Sort(services)
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, service := range services {
		f, err := w.CreateHeader(&zip.FileHeader{Name: service + ".json", Method: zip.Deflate})
		if err == nil {
			_, err = f.Write(models[service])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// trimAll is the model of each service, by the name that definitions give it.
func trimAll(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "models/apis/*/*/api-2.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no descriptions in %s: %v", dir, err)
	}
	hosts := read(t, filepath.Join(dir, "models/endpoints/endpoints.json")).Get("partitions").At(0).Get("services")
	all := map[string][]byte{}
	for _, file := range files {
		api := read(t, file)
		if api.Get("metadata").Get("signatureVersion").AsString() == "v2" {
			continue // SimpleDB, Import/Export: signed in a way that nobody else is
		}
		m := trim(api)
		m.Host, m.Region = globalHost(hosts.Get(m.Prefix))
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		service := strings.ToLower(m.Name)
		if all[service] != nil {
			t.Fatalf("two services are called %s", service)
		}
		all[service] = text
	}
	return all
}

func read(t *testing.T, file string) value.Value {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	checked, err := value.Check(string(text))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return checked.Decode()
}

// globalHost is the host of a service that has one for all regions, and the
// region that signs there.
func globalHost(endpoints value.Value) (host, region string) {
	global := endpoints.Get("partitionEndpoint").AsString()
	if global == "" || endpoints.Get("isRegionalized").Kind() != value.Bool || endpoints.Get("isRegionalized").AsBool() {
		return "", ""
	}
	e := endpoints.Get("endpoints").Get(global)
	return e.Get("hostname").AsString(), e.Get("credentialScope").Get("region").AsString()
}

// trimmer makes a model of a description.
type trimmer struct {
	shapes value.Value
	model  *model
	index  map[string]string // by shape: what members call it
	told   map[string]bool   // shapes that answers hold
}

func trim(api value.Value) *model {
	meta := api.Get("metadata")
	text := func(name string) string { return meta.Get(name).AsString() }
	m := &model{
		ID: text("serviceId"), Name: serviceName(text("serviceId")), Protocol: text("protocol"), Version: text("apiVersion"),
		JSON: text("jsonVersion"), Target: text("targetPrefix"), Prefix: text("endpointPrefix"), Signing: text("signingName"),
		Compatible: meta.Has("awsQueryCompatible"), Operations: map[string]*operation{},
	}
	if m.Signing == "" {
		m.Signing = m.Prefix
	}
	m.S3 = strings.HasPrefix(text("signatureVersion"), "s3")
	m.Namespace = text("xmlNamespace") + meta.Get("xmlNamespace").Get("uri").AsString()
	t := &trimmer{shapes: api.Get("shapes"), model: m, index: map[string]string{}, told: map[string]bool{}}
	for _, o := range api.Get("operations").Members() {
		t.tell(o.Get("output"))
	}
	faults := map[string]bool{}
	for name, o := range api.Get("operations").Members() {
		if t.streams(o.Get("input").Get("shape").AsString(), nil) || t.streams(o.Get("output").Get("shape").AsString(), nil) {
			continue // no task can carry a stream of events
		}
		m.Operations[lowered(name)] = t.operation(name, o)
		for _, e := range o.Get("errors").Items() {
			faults[e.Get("shape").AsString()] = true
		}
	}
	for name := range faults {
		m.Errors = append(m.Errors, t.fault(name))
	}
	slices.SortFunc(m.Errors, func(a, b fault) int { return strings.Compare(a.Name, b.Name) })
	return m
}

func (t *trimmer) fault(name string) fault {
	f := fault{Name: name}
	if code := t.shapes.Get(name).Get("error").Get("code").AsString(); code != name {
		f.Code = code
	}
	return f
}

// streams reports whether a shape holds a stream of events.
func (t *trimmer) streams(name string, above []string) bool {
	s := t.shapes.Get(name)
	if s.Get("eventstream").AsBool() {
		return true
	}
	if slices.Contains(above, name) || len(above) > 1 {
		return false // streams stand at the top, or one below
	}
	for _, m := range s.Get("members").Members() {
		if t.streams(m.Get("shape").AsString(), append(above, name)) {
			return true
		}
	}
	return false
}

func (t *trimmer) operation(name string, o value.Value) *operation {
	op := &operation{
		Name: o.Get("name").AsString(), Method: o.Get("http").Get("method").AsString(), URI: o.Get("http").Get("requestUri").AsString(),
		Input: t.member("", o.Get("input")), Output: t.member("", o.Get("output")),
		Wrapper: o.Get("output").Get("resultWrapper").AsString(), Prefix: o.Get("endpoint").Get("hostPrefix").AsString(),
		Unsigned: o.Get("authtype").AsString() == "none",
		MD5:      o.Get("httpChecksumRequired").AsBool() || o.Get("httpChecksum").Get("requestChecksumRequired").AsBool(),
	}
	if op.Method == "POST" {
		op.Method = ""
	}
	if op.URI == "/" {
		op.URI = ""
	}
	return op
}

// member is a reference to a shape. An operation without input or output has
// an empty structure.
func (t *trimmer) member(name string, ref value.Value) member {
	text := func(name string) string { return ref.Get(name).AsString() }
	s := t.shapes.Get(text("shape"))
	m := member{
		Name: name, Wire: text("locationName"), In: place(text("location")), Format: text("timestampFormat"),
		Flat: ref.Get("flattened").AsBool(), Attribute: ref.Get("xmlAttribute").AsBool(), Token: ref.Get("idempotencyToken").AsBool(),
		JSON: ref.Get("jsonvalue").AsBool(), Query: text("queryName"),
	}
	if m.Wire == name {
		m.Wire = ""
	}
	if m.Format == "" {
		m.Format = s.Get("timestampFormat").AsString()
	}
	for _, of := range []value.Value{ref, s} {
		if ns := of.Get("xmlNamespace"); m.Namespace == "" {
			m.Namespace, m.Prefix = ns.AsString()+ns.Get("uri").AsString(), ns.Get("prefix").AsString()
		}
	}
	if s.Get("locationName").AsString() != "" && m.Wire == "" && m.In == "" {
		m.Wire = s.Get("locationName").AsString()
	}
	m.Of = t.shape(text("shape"))
	return m
}

// tell notes what an answer holds.
func (t *trimmer) tell(ref value.Value) {
	name := ref.Get("shape").AsString()
	if name == "" || t.told[name] {
		return
	}
	t.told[name] = true
	s := t.shapes.Get(name)
	for _, m := range s.Get("members").Members() {
		t.tell(m)
	}
	for _, part := range []string{"member", "key", "value"} {
		t.tell(s.Get(part))
	}
}

// scalars are the kinds of scalars.
var scalars = map[string]kind{
	"string": stringKind, "character": stringKind, "boolean": booleanKind, "blob": blobKind, "timestamp": timestampKind,
	"integer": numberKind, "long": numberKind, "float": numberKind, "double": numberKind, "bigdecimal": numberKind,
	"biginteger": numberKind, "short": numberKind,
}

// shape is what members call a shape: the letter of a scalar of which nothing
// more is known, or a number.
func (t *trimmer) shape(name string) string {
	s := t.shapes.Get(name)
	made := &shape{Flat: s.Get("flattened").AsBool(), Payload: s.Get("payload").AsString()}
	if t.told[name] {
		t.constrain(made, s)
	}
	scalar, isScalar := scalars[s.Get("type").AsString()]
	switch {
	case isScalar && made.Words == nil && made.Least == nil && made.Most == nil && scalar == stringKind:
		return ""
	case isScalar && made.Words == nil && made.Least == nil && made.Most == nil:
		return string(scalar)
	}
	if at, known := t.index[name]; known {
		return at
	}
	at := strconv.Itoa(len(t.model.Shapes))
	t.index[name] = at
	t.model.Shapes = append(t.model.Shapes, made)
	if made.Kind = scalar; isScalar {
		return at
	}
	switch made.Kind = kind(s.Get("type").AsString()); made.Kind {
	case listKind:
		made.Item = ptr(t.member("", s.Get("member")))
	case mapKind:
		made.Key, made.Value = ptr(t.member("", s.Get("key"))), ptr(t.member("", s.Get("value")))
	default:
		made.Kind = structureKind
		for name, ref := range s.Get("members").Members() {
			m := t.member(name, ref)
			if m.Wire == "" && name == made.Payload && t.model.Protocol == "rest-xml" {
				m.Wire = ref.Get("shape").AsString() // the root of the body
			}
			made.Members = append(made.Members, m)
		}
		slices.SortFunc(made.Members, func(a, b member) int { return strings.Compare(firstRaised(a.Name), firstRaised(b.Name)) })
	}
	return at
}

// constrain notes what holds of a shape's values.
func (t *trimmer) constrain(made *shape, s value.Value) {
	for _, name := range s.Get("required").Items() {
		made.Required = append(made.Required, name.AsString())
	}
	for _, word := range s.Get("enum").Items() {
		made.Words = append(made.Words, word.AsString())
	}
	for name, to := range map[string]**float64{"min": &made.Least, "max": &made.Most} {
		if bound, err := strconv.ParseFloat(s.Get(name).Spelling(), 64); err == nil {
			*to = &bound
		}
	}
}

func ptr(m member) *member { return &m }
