package prove

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/asl"
)

var fenced = regexp.MustCompile("(?ms)^```json\n(.*?)^```")

// TestSpecification proves every definition of the saga language's own page.
func TestSpecification(t *testing.T) {
	text, err := os.ReadFile(shared(t, "SAGA.md"))
	if err != nil {
		t.Fatal(err)
	}
	proven := 0
	for _, block := range fenced.FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(block[1], "StartAt") {
			continue
		}
		// What the page leaves out of its ARNs is filled in.
		definition := strings.ReplaceAll(block[1], "…:", "arn:aws:lambda:us-east-1:123456789012:function:")
		d, problems := asl.Parse([]byte(definition))
		if d == nil {
			t.Fatalf("%v in\n%s", problems, definition)
		}
		p, err := asl.Compile(d, asl.Rules{Distributed: true})
		if err != nil {
			t.Fatalf("%v in\n%s", err, definition)
		}
		r, err := Prove(Input{Program: p})
		if err != nil || !r.Proven() || r.Kind != Extension {
			t.Errorf("it is not proven: %+v, %v\n%s", r, err, definition)
		}
		proven++
	}
	if proven == 0 {
		t.Error("the page has no definition")
	}
}
