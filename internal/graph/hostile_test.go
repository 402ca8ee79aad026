package graph_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/graph"
)

// hostile are names, errors and values that would be more than text where somebody
// forgot that they are text.
var hostile = []string{
	`</text><script>alert(1)</script>`, `" onload="alert(1)`, `]]>&amp;<!--`, `%%{init: {"theme":"dark"}}%%`, "`code` **bold** #35;", `x|y"]; click n0 href "javascript:alert(1)"`,
	"end", "1. a list", "- a list", "\u202eturned\u2066 round\u2069", "\x00\x07\x1b[31m", "\ufffe\uffff", "a\nb\tc", "مرحبا بالعالم", "👩‍👩‍👧🛒🇯🇵", "e\u0301\u0301\u0301", "﷽", "\u2028", "<", "_",
}

// hostileMachine has them wherever a definition has text.
func hostileMachine(t *testing.T) string {
	t.Helper()
	states := map[string]any{}
	for i, name := range hostile {
		s := map[string]any{
			"Type": "Task", "Comment": name, "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f", "End": true,
			"Catch": []any{map[string]any{"ErrorEquals": []string{name}, "Next": hostile[(i+7)%len(hostile)]}},
		}
		if i%3 == 0 {
			s = map[string]any{"Type": "Choice", "Comment": name, "Default": hostile[(i+3)%len(hostile)],
				"Choices": []any{map[string]any{"Variable": "$.x", "StringEquals": name, "Next": hostile[(i+1)%len(hostile)]}}}
		}
		states[name] = s
	}
	text, err := json.Marshal(map[string]any{"Comment": strings.Join(hostile, ""), "StartAt": hostile[0], "States": states})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestHostileSVG: the document is well formed, has no elements or attributes but
// those that are drawn, no two of the same id, and each name is in it as text.
func TestHostileSVG(t *testing.T) {
	g := graph.Of(outline(t, hostileMachine(t)), hostile[0])
	course := graph.Course{Status: hostile[1], States: map[string]graph.Stand{}}
	for _, name := range hostile {
		course.States[name] = graph.Stand{Mark: graph.Done, Words: name}
	}
	g.Paint(course)
	g.Layout(graph.Down)
	if found := faults(g); found != nil {
		t.Error(found)
	}
	seen := readSVG(t, g.SVG())
	if len(seen.ids) < len(hostile) {
		t.Errorf("only %d ids for %d names", len(seen.ids), len(hostile))
	}
	for _, name := range []string{`</text><script>alert(1)</script>`, "�turned� round�", "مرحبا بالعالم", "👩‍👩‍👧🛒🇯🇵"} {
		if !strings.Contains(seen.text, name) {
			t.Errorf("%q is not in the text", name)
		}
	}
}

// seen is what is in a document.
type seen struct {
	ids  map[string]bool
	text string
}

func readSVG(t *testing.T, svg string) seen {
	t.Helper()
	s := seen{ids: map[string]bool{}}
	var text strings.Builder
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			s.text = text.String()
			return s
		}
		if err != nil {
			t.Fatalf("it is not well formed: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if !strings.Contains(" svg title desc style g rect circle path text ", " "+token.Name.Local+" ") {
				t.Errorf("there is an element %s", token.Name.Local)
			}
			for _, a := range token.Attr {
				if !strings.Contains(" xmlns width height viewBox role aria-labelledby id class x y rx cx cy r d transform direction unicode-bidi ", " "+a.Name.Local+" ") {
					t.Errorf("there is an attribute %s", a.Name.Local)
				}
				if a.Name.Local == "id" {
					if s.ids[a.Value] {
						t.Errorf("there are two of the id %s", a.Value)
					}
					s.ids[a.Value] = true
				}
			}
		case xml.CharData:
			text.Write(token)
		case xml.Comment, xml.ProcInst, xml.Directive:
			t.Errorf("there is %T", token)
		}
	}
}

// TestHostileMermaid: in quotes there is nothing that ends them or means something,
// and out of them nothing but what is ours.
func TestHostileMermaid(t *testing.T) {
	text := graph.Of(outline(t, hostileMachine(t)), hostile[0]).Mermaid(graph.Down)
	line := regexp.MustCompile(`^ *(flowchart TD|direction TD|end|n\d+(\[|\(|\{)+"[^"]*"(\]|\)|\})+(:::\w+)?|n\d+ (-->|-\.->)(\|"[^"]*"\|)? n\d+|linkStyle [\d,]+ [\w:#, -]+)$`)
	quoted := regexp.MustCompile(`"([^"]*)"`)
	entity := regexp.MustCompile(`#\d+;|<br/>`)
	for _, l := range strings.Split(strings.TrimSpace(text), "\n") {
		if !line.MatchString(l) {
			t.Errorf("a line that nobody meant: %s", l)
		}
		for _, q := range quoted.FindAllStringSubmatch(l, -1) {
			if strings.ContainsAny(entity.ReplaceAllString(q[1], ""), "#;<>&`*|[]{}()%\"$\\\x00\x1b\u202e") {
				t.Errorf("it means something: %s", q[1])
			}
		}
	}
}

// TestLongTexts: what is long without bound is cut short in a drawing, and costs no
// more than its length.
func TestLongTexts(t *testing.T) {
	long := strings.Repeat("<long ", 50_000)
	text, err := json.Marshal(map[string]any{"Comment": long, "StartAt": "A", "States": map[string]any{
		"A": map[string]any{"Type": "Choice", "Comment": long[:150_000], "Choices": []any{map[string]any{"Variable": "$.x", "StringEquals": long[:150_000], "Next": "B"}}},
		"B": map[string]any{"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f", "End": true,
			"Catch": []any{map[string]any{"ErrorEquals": []string{long[:100_000], strings.Repeat(" ", 100_000)}, "Next": "C"}}},
		"C": map[string]any{"Type": "Fail", "Error": long[:100_000]}}})
	if err != nil {
		t.Fatal(err)
	}
	g := drawn(t, string(text), graph.Down)
	if found := faults(g); found != nil {
		t.Error(found)
	}
	if n := len(g.SVG()); n > 32<<10 {
		t.Errorf("the document has %d bytes", n)
	}
	if n := len(g.Mermaid(graph.Down)); n > 8<<10 {
		t.Errorf("the flowchart has %d bytes", n)
	}
	if g.Width > 1000 {
		t.Errorf("it is %d wide", g.Width)
	}
}

// TestNothing draws what has not even a flow.
func TestNothing(t *testing.T) {
	for _, text := range []string{`{}`, `{"StartAt": "A"}`, `{"States": {"A": 1, "B": {}, "C": {"Type": "Nonsense"}, "D": {"Type": "Map"}, "E": {"Type": "Parallel"}, "F": {"Type": "Saga"}, "G": {"Type": "Task"}}}`,
		`{"StartAt": "A", "States": {"A": {"Type": "Parallel", "Branches": [{}, {"States": {"A": {"Type": "Pass"}}}], "Next": "B"}, "` + strings.Repeat("長い", 5000) + `": {"Type": "Pass"}}}`} {
		d, _ := asl.Parse([]byte(text))
		g := graph.Of(d.Outline(rules), "")
		g.Layout(graph.Down)
		for _, f := range faults(g) {
			t.Errorf("%.100s: %s", text, f)
		}
		readSVG(t, g.SVG())
		g.Mermaid(graph.Right)
	}
}

// TestMarks: each mark has an icon of its own and a border of its own; no two look
// the same without their colours.
func TestMarks(t *testing.T) {
	all := []graph.Mark{graph.Done, graph.Running, graph.Failed, graph.Caught, graph.Compensated, graph.Held, graph.Stopped, graph.NotReached}
	icons := map[string]bool{}
	icon := regexp.MustCompile(`<path class="icon [a-z-]+-icon"[^>]* d="([^"]+)"`)
	for _, mark := range all {
		g := graph.Of(outline(t, `{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}`), "")
		g.Paint(graph.Course{States: map[string]graph.Stand{"A": {Mark: mark, Words: string(mark)}}})
		g.Layout(graph.Down)
		svg := g.SVG()
		found := icon.FindStringSubmatch(svg)
		if found == nil || icons[found[1]] || !strings.Contains(svg, ">"+string(mark)+"</text>") {
			t.Errorf("%s has no icon and word of its own: %v", mark, found)
			continue
		}
		icons[found[1]] = true
		if class := "." + strings.ReplaceAll(string(mark), " ", "-") + "{"; !strings.Contains(svg, class) {
			t.Errorf("%s has no style", mark)
		}
	}
}
