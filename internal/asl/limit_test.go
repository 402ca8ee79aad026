package asl_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/asl"
)

// large are definitions of about a megabyte, or of a number of parts that says
// more than their size.
var large = map[string]string{
	"choice rules": `{"StartAt":"C","States":{"C":{"Type":"Choice","Choices":[` +
		list(100_000, `{"Variable":"$.a.b","NumericEquals":%d,"Next":"E"}`) + `],"Default":"E"},"E":{"Type":"Succeed"}}}`,
	"query rules": `{"QueryLanguage":"JSONata","StartAt":"C","States":{"C":{"Type":"Choice","Choices":[` +
		list(15_000, `{"Condition":"{%% $states.input.a = %d %%}","Next":"E"}`) + `],"Default":"E"},"E":{"Type":"Succeed"}}}`,
	"states": `{"StartAt":"S1","States":{"S0":{"Type":"Succeed"},` +
		chain(16_000, `"S%d":{"Type":"Pass","Result":{"a":1},"Next":"S%d"}`) + `}}`,
	"template": `{"StartAt":"P","States":{"P":{"Type":"Pass","End":true,"Parameters":{` +
		list(40_000, `"m%d.$":"$.a.b[0].c"`) + `}}}}`,
	"constant": `{"StartAt":"P","States":{"P":{"Type":"Pass","End":true,"Parameters":[` +
		list(100_000, `{"a":%d}`) + `]}}}`,
	"branches": `{"StartAt":"P","States":{"P":{"Type":"Parallel","End":true,"Branches":[` +
		list(12_000, `{"StartAt":"B%[1]d","States":{"B%[1]d":{"Type":"Pass","End":true}}}`) + `]}}}`,
	"variables": `{"StartAt":"P","States":{"P":{"Type":"Pass","End":true,"Assign":{` +
		list(60_000, `"v%d":1`) + `}}}}`,
	"unknown fields": `{"StartAt":"P","States":{"P":{"Type":"Task","Resource":"foo:bar","End":true,` +
		list(90_000, `"f%d":1`) + `}}}`,
	"deep":   `{"StartAt":"P","States":{"P":{"Type":"Pass","End":true,"Parameters":` + strings.Repeat("[", 900) + strings.Repeat("]", 900) + `}}}`,
	"zeroes": `{"StartAt":"P","States":{"P":{"Type":"Pass","End":true,"Result":[0` + strings.Repeat(",0", 520_000) + `]}}}`,
}

func list(n int, format string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(parts, ",")
}

func chain(n int, format string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(format, i+1, (i+2)%(n+1))
	}
	return strings.Join(parts, ",")
}

func BenchmarkCheck(b *testing.B) {
	for name, text := range large {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				check([]byte(text), asl.Rules{MaxBytes: 1 << 24})
			}
		})
	}
}

// TestLarge holds that large definitions are taken as small ones are, and told
// of in no more than the bounded number of diagnostics.
func TestLarge(t *testing.T) {
	for name, text := range large {
		found := check([]byte(text), asl.Rules{MaxBytes: 1 << 24})
		if name == "unknown fields" {
			if len(found) != asl.MaxDiagnostics {
				t.Errorf("%s: %d diagnostics", name, len(found))
			}
		} else if refused(found) {
			t.Errorf("%s: %.300s", name, asl.Render(found))
		}
	}
}

// TestWarningsHideNoError holds that warnings beyond number leave room for the
// error that comes after them.
func TestWarningsHideNoError(t *testing.T) {
	text := `{"StartAt":"P","States":{"P":{"Type":"Pass","End":true,"Parameters":{` + list(5000, `"m%d":"$.a"`) + `},"Extra":1}}}`
	found := check([]byte(text), asl.Rules{})
	if len(found) != asl.MaxDiagnostics+1 || !refused(found) {
		t.Errorf("%d diagnostics: %.300s", len(found), asl.Render(found))
	}
}

// TestNesting holds the bound of flows within one another, and of rules.
func TestNesting(t *testing.T) {
	nested := func(depth int) string {
		flow := `{"StartAt":"E","States":{"E":{"Type":"Succeed"}}}`
		for i := range depth {
			flow = fmt.Sprintf(`{"StartAt":"P%[1]d","States":{"P%[1]d":{"Type":"Parallel","Branches":[%s],"End":true}}}`, i, flow)
		}
		return flow
	}
	rules := func(depth int) string {
		return `{"StartAt":"C","States":{"C":{"Type":"Choice","Choices":[{"Next":"E",` + strings.Repeat(`"Not":{`, depth) +
			`"Variable":"$","IsNull":true` + strings.Repeat("}", depth) + `}],"Default":"E"},"E":{"Type":"Succeed"}}}`
	}
	for _, c := range []struct {
		name, text string
		want       asl.Code
	}{
		{"flows", nested(asl.MaxNesting), ""},
		{"flows too deep", nested(asl.MaxNesting + 1), asl.TooDeeplyNested},
		{"flows far too deep", nested(240), asl.TooDeeplyNested},
		{"flows deeper than JSON", nested(400), asl.TooDeeplyNested},
		{"rules", rules(asl.MaxNesting), ""},
		{"rules too deep", rules(asl.MaxNesting + 1), asl.TooDeeplyNested},
	} {
		found := check([]byte(c.text), asl.Rules{})
		got := asl.Code("")
		if len(found) > 0 {
			got = found[0].Code
		}
		if got != c.want || len(found) > 1 {
			t.Errorf("%s: %.500v", c.name, found)
		}
	}
}

// TestLongNames holds that names as long as a definition don't multiply in its
// diagnostics.
func TestLongNames(t *testing.T) {
	name := strings.Repeat("n", 900_000)
	text := `{"StartAt":"P","States":{"` + name + `":{"Type":"Pass","End":true,"Parameters":{` + list(5000, `"m%d.$":1`) + `}}}}`
	size := 0
	for _, d := range check([]byte(text), asl.Rules{}) {
		size += len(d.String())
	}
	if size > 3*len(text) {
		t.Errorf("%d bytes of diagnostics", size)
	}
}
