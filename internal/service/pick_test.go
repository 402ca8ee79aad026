package service

import (
	"encoding/binary"
	"errors"
	"testing"
)

// TestPick draws each of a hundred chances once: an alias shares its starts out
// exactly by its weights.
func TestPick(t *testing.T) {
	for _, c := range []struct {
		routes []route
		want   map[int]int
	}{
		{[]route{{1, 100}}, map[int]int{1: 100}},
		{[]route{{1, 90}, {2, 10}}, map[int]int{1: 90, 2: 10}},
		{[]route{{3, 0}, {7, 100}}, map[int]int{7: 100}},
		{[]route{{7, 100}, {3, 0}}, map[int]int{7: 100}},
	} {
		a, got := aliasDoc{Routes: c.routes}, map[int]int{}
		for chance := range uint64(100) {
			version, err := a.pick(func(b []byte) error {
				binary.BigEndian.PutUint64(b, chance)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			got[version]++
		}
		for version := range 10 {
			if got[version] != c.want[version] {
				t.Errorf("routes %v: version %d is drawn %d times of 100, want %d", c.routes, version, got[version], c.want[version])
			}
		}
	}
}

func TestPickWithoutChance(t *testing.T) {
	none := errors.New("no chance")
	a := aliasDoc{Routes: []route{{1, 50}, {2, 50}}}
	if _, err := a.pick(func([]byte) error { return none }); !errors.Is(err, none) {
		t.Errorf("got %v, want %v", err, none)
	}
}
