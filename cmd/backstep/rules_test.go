package main

import (
	"fmt"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

// rule is one of docs/alerts.yaml.
type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func rules(t *testing.T) []rule {
	t.Helper()
	text, err := os.ReadFile("../../docs/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// scrape is what a server's /metrics told at a time: values by name and labels.
type scrape map[string]map[string]float64

var sampleLine = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? (\S+)$`)

func readScrape(t *testing.T, text string) scrape {
	t.Helper()
	s := scrape{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("no sample: %q", line)
		}
		v, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		if s[m[1]] == nil {
			s[m[1]] = map[string]float64{}
		}
		s[m[1]][m[2]] = v
	}
	return s
}

// seen are two scrapes, and the seconds between them.
type seen struct {
	before, after scrape
	seconds       float64
}

var (
	comparison = regexp.MustCompile(`^(.*\S) (==|>|<) ([0-9.]+)$`)
	rateForm   = regexp.MustCompile(`^(rate|increase)\((\w+)\[\w+\]\)$`)
	quantile   = regexp.MustCompile(`^histogram_quantile\(([0-9.]+), (rate\(\w+_bucket\[\w+\]\))\)$`)
	ratio      = regexp.MustCompile(`^(\w+) / (\w+)$`)
	age        = regexp.MustCompile(`^time\(\) - max by \(job\) \(max_over_time\((\w+)\[\w+\]\)\)$`)
	selector   = regexp.MustCompile(`^(\w+)(\{.*\})?$`)
	bound      = regexp.MustCompile(`le="([^"]*)"`)
)

// fires evaluates a rule's expression: the forms that the rules use, and no more.
func (s *seen) fires(expr string) (bool, error) {
	m := comparison.FindStringSubmatch(expr)
	if m == nil {
		return false, fmt.Errorf("%q compares nothing", expr)
	}
	values, err := s.vector(m[1])
	limit, _ := strconv.ParseFloat(m[3], 64)
	return slices.ContainsFunc(values, func(v float64) bool {
		return m[2] == "==" && v == limit || m[2] == ">" && v > limit || m[2] == "<" && v < limit
	}), err
}

func (s *seen) vector(expr string) (values []float64, err error) {
	if m := quantile.FindStringSubmatch(expr); m != nil {
		q, _ := strconv.ParseFloat(m[1], 64)
		return s.quantile(q, rateForm.FindStringSubmatch(m[2])[2]), nil
	}
	if m := rateForm.FindStringSubmatch(expr); m != nil {
		for labels, v := range s.after[m[2]] {
			v -= s.before[m[2]][labels]
			if m[1] == "rate" {
				v /= s.seconds
			}
			values = append(values, v)
		}
		return values, nil
	}
	if m := ratio.FindStringSubmatch(expr); m != nil {
		for labels, v := range s.after[m[1]] {
			values = append(values, v/s.after[m[2]][labels])
		}
		return values, nil
	}
	if m := age.FindStringSubmatch(expr); m != nil { // of the second scrape alone: the first may be older than the time that is looked over
		if all := slices.Collect(maps.Values(s.after[m[1]])); len(all) > 0 {
			values = append(values, float64(time.Now().Unix())-slices.Max(all))
		}
		return values, nil
	}
	m := selector.FindStringSubmatch(expr)
	if m == nil {
		return nil, fmt.Errorf("%q is in no form that is known here", expr)
	}
	for labels, v := range s.after[m[1]] {
		if m[2] == "" || m[2] == labels {
			values = append(values, v)
		}
	}
	return values, nil
}

// quantile is the bound of the bucket that the quantile lies in.
func (s *seen) quantile(q float64, name string) []float64 {
	counts := map[float64]float64{}
	for labels, v := range s.after[name] {
		le, _ := strconv.ParseFloat(bound.FindStringSubmatch(labels)[1], 64)
		counts[le] = v - s.before[name][labels]
	}
	total := counts[math.Inf(1)]
	if total == 0 {
		return nil
	}
	least := math.Inf(1)
	for le, n := range counts {
		if n >= q*total {
			least = min(least, le)
		}
	}
	return []float64{least}
}

// named are the metrics that an expression is about.
func named(expr string) (all []string) {
	all = append(all, regexp.MustCompile(`\b(backstep_\w+|up)\b`).FindAllString(strings.ReplaceAll(expr, `"backstep"`, ""), -1)...)
	return all
}
