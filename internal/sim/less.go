package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Less says what of a seed's world is left out. The zero value: nothing.
type Less struct {
	Kinds   []int // kinds of faults
	Strikes []int // single faults, in the order in which they struck, from 1
	Until   int   // all faults after that one; 0: none
	Starts  []int // executions that somebody wants, from 0
	Nodes   int   // all nodes but that many; 0: none
}

// spares reports whether a fault is left out.
func (l *Less) spares(f fault, strike int) bool {
	return l.Until > 0 && strike > l.Until || slices.Contains(l.Kinds, int(f)) || slices.Contains(l.Strikes, strike)
}

// String is a Less on one line, "" where nothing is left out. ParseLess reads it.
func (l Less) String() string {
	var parts []string
	list := func(name string, numbers []int) {
		if len(numbers) > 0 {
			parts = append(parts, name+"="+strings.Trim(strings.ReplaceAll(fmt.Sprint(numbers), " ", ","), "[]"))
		}
	}
	one := func(name string, n int) {
		if n > 0 {
			list(name, []int{n})
		}
	}
	list("kinds", l.Kinds)
	list("strikes", l.Strikes)
	one("until", l.Until)
	list("starts", l.Starts)
	one("nodes", l.Nodes)
	return strings.Join(parts, ";")
}

// ParseLess reads what String has written.
func ParseLess(text string) (Less, error) {
	var l Less
	for part := range strings.SplitSeq(text, ";") {
		if part == "" {
			continue
		}
		name, list, _ := strings.Cut(part, "=")
		var numbers []int
		for number := range strings.SplitSeq(list, ",") {
			n, err := strconv.Atoi(number)
			if err != nil {
				return l, fmt.Errorf("what is left out: %q: %w", part, err)
			}
			numbers = append(numbers, n)
		}
		switch name {
		case "kinds":
			l.Kinds = numbers
		case "strikes":
			l.Strikes = numbers
		case "until":
			l.Until = numbers[0]
		case "starts":
			l.Starts = numbers
		case "nodes":
			l.Nodes = numbers[0]
		default:
			return l, fmt.Errorf("what is left out: %q is nothing that there is", name)
		}
	}
	return l, nil
}
