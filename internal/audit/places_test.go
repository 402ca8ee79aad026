package audit

import (
	"fmt"
	"strings"
	"testing"
)

// TestFewPlacesAreLookedAt: where few places are wrong, few of all are held in memory to
// find them; where many are, at most so many as may be, and those that are told are wrong.
func TestFewPlacesAreLookedAt(t *testing.T) {
	const all = 50_000
	for _, c := range []struct {
		wrong, most int
		left        bool
	}{{0, 1000, false}, {5, 1000, false}, {25, 2000, false}, {all, 1000, true}, {all, 1, true}} {
		t.Run(fmt.Sprintf("%d wrong, at most %d", c.wrong, c.most), func(t *testing.T) {
			isWrong := func(i int) bool { return c.wrong > 0 && i%(all/c.wrong) == 0 }
			var p places
			peak := 0
			pass := func() {
				for i := range all {
					p.isThere("place %d", i)
					peak = max(peak, len(p.differences))
				}
				for i := range all {
					if isWrong(i) {
						p.isDue("other place %d", i)
					} else {
						p.isDue("place %d", i)
					}
					peak = max(peak, len(p.differences))
				}
			}
			pass()
			some, left := p.look(c.most)
			if some != (c.wrong > 0) || (left > 0) != c.left {
				t.Fatalf("some %v, %d parts left out", some, left)
			}
			if !some {
				return
			}
			pass()
			if most := max(c.most, 6*all/parts); peak > most || peak == 0 {
				t.Errorf("%d places were held in memory, of at most %d", peak, most)
			}
			found := map[string]bool{}
			for at, text := range p.differences {
				var i int
				if _, err := fmt.Sscanf(text[strings.LastIndex(text, " ")+1:], "%d", &i); err != nil || !isWrong(i) || strings.HasPrefix(text, "other") != (at.wrong() == "it is due, and not there") {
					t.Errorf("%s: %s", text, at.wrong())
				}
				found[text] = true
			}
			if want := 2 * c.wrong; !c.left && len(found) != want || len(found) == 0 {
				t.Errorf("%d are found, of %d", len(found), want)
			}
		})
	}
}
