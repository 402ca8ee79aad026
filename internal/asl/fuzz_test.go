package asl_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/fuzz"
)

// FuzzCheck holds that any text is judged without a panic, that Compile refuses
// what Check refuses, and that each diagnostic has its code and its words.
func FuzzCheck(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.txtar")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, section := range txtar.Parse(data).Files {
			if strings.HasSuffix(section.Name, ".json") || strings.HasSuffix(section.Name, ".yaml") {
				f.Add(section.Data, false)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, express bool) {
		fuzz.Bounded(t, func() { tryCheck(t, text, asl.Rules{Express: express, Distributed: true}) })
	})
}

func tryCheck(t *testing.T, text []byte, rules asl.Rules) {
	found := check(text, rules)
	for _, problem := range found {
		if problem.Code == "" || problem.Message == "" || problem.Severity == "" {
			t.Errorf("%+v", problem)
		}
	}
	d, _ := asl.Parse(text)
	if d == nil {
		return
	}
	p, err := asl.Compile(d, rules)
	if (err != nil) != refused(found) {
		t.Errorf("Compile says %v, Check %v", err, found)
	}
	if err == nil {
		dump(p)
	}
}
