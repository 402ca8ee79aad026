package fuzz

import (
	"testing"
	"time"
)

// complaints takes what Bounded says of an input.
type complaints struct {
	testing.TB
	n int
}

func (c *complaints) Helper()               {}
func (c *complaints) Errorf(string, ...any) { c.n++ }

var kept [][]byte

// Bounded has nothing against what is cheap, and complains of what takes too
// long or too much.
func TestBounded(t *testing.T) {
	for name, c := range map[string]struct {
		do   func()
		want int
	}{
		"cheap": {func() { kept = [][]byte{make([]byte, 1<<20)} }, 0},
		"slow": {func() {
			for end, _ := spent(); ; {
				if now, _ := spent(); now > end+MostTime+50*time.Millisecond {
					return
				}
			}
		}, 1},
		"large": {func() {
			for range 300 {
				kept = [][]byte{make([]byte, 1<<20)}
			}
		}, 1},
	} {
		said := &complaints{TB: t}
		if Bounded(said, c.do); said.n != c.want {
			t.Errorf("%s: %d complaints", name, said.n)
		}
	}
}
