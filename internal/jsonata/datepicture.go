package jsonata

import (
	"slices"
	"strconv"
	"strings"
)

// A date and time picture, "[Y0001]-[M01]-[D01]", is that of XPath's
// fn:format-dateTime: markers of components in brackets, and text.

// nameCase tells how a component is written as a name.
type nameCase uint8

const (
	noName nameCase = iota
	lowerName
	upperName
	titleName
)

// dateMark is a marker, or text where component is 0.
type dateMark struct {
	text      string
	component byte
	second    byte // the second presentation modifier, 't' of a timezone
	names     nameCase
	integer   *integerFormat
	max       int // the greatest width, 0 where there is none
	digits    int // how many of a year's last digits are written, 0 for all
}

// presentations is the modifier of each component where none is given.
var presentations = map[byte]string{
	'Y': "1", 'M': "1", 'D': "1", 'd': "1", 'F': "n", 'W': "1", 'w': "1", 'X': "1", 'x': "1", 'H': "1", 'h': "1",
	'P': "n", 'm': "01", 's': "01", 'f': "1", 'Z': "01:01", 'z': "01:01", 'C': "n", 'E': "n",
}

// isoPicture is the picture where none is given.
const isoPicture = "[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01].[f001][Z01:01t]"

// datePicture reads a picture.
func (c call) datePicture(picture string) []dateMark {
	c.step(len(picture) / 4)
	c.take(32 * len(picture))
	var marks []dateMark
	text := func(s string) {
		if s != "" {
			marks = append(marks, dateMark{text: strings.ReplaceAll(s, "]]", "]")})
		}
	}
	for {
		before, after, found := strings.Cut(picture, "[")
		text(before)
		if !found {
			return marks
		}
		if strings.HasPrefix(after, "[") {
			marks = append(marks, dateMark{text: "["})
			picture = after[1:]
			continue
		}
		marker, rest, closed := strings.Cut(after, "]")
		if !closed {
			c.fail("D3135")
		}
		m := c.dateMark(strings.Join(strings.Fields(marker), ""))
		// Of two integers side by side, the first is read at its exact width.
		if n := len(marks); n > 0 && marks[n-1].integer != nil && m.integer != nil && !m.isOffset() {
			marks[n-1].integer.width = marks[n-1].integer.mandatory
		}
		marks = append(marks, m)
		picture = rest
	}
}

// dateMark reads what stands in brackets: a component, a presentation, a width.
func (c call) dateMark(marker string) dateMark {
	var m dateMark
	presentation := ""
	if marker != "" {
		m.component, presentation = marker[0], marker[1:]
	}
	least, most := 0, 0
	if i := strings.LastIndexByte(presentation, ','); i >= 0 {
		from, to, _ := strings.Cut(presentation[i+1:], "-")
		least, most = width(from), width(to)
		presentation = presentation[:i]
	}
	if n := len(presentation); n > 1 && strings.IndexByte("atco", presentation[n-1]) >= 0 {
		m.second, presentation = presentation[n-1], presentation[:n-1]
	}
	usual, known := presentations[m.component]
	if !known {
		c.fail("D3132", string(m.component))
	}
	if presentation == "" {
		presentation = usual
	}
	m.max = most
	switch {
	case strings.HasPrefix(presentation, "n"):
		m.names = lowerName
	case strings.HasPrefix(presentation, "Nn"):
		m.names = titleName
	case strings.HasPrefix(presentation, "N"):
		m.names = upperName
	case strings.IndexByte("YMDdFWwXxHhmsf", m.component) >= 0:
		c.integerMark(&m, presentation, least)
	}
	if m.isOffset() {
		f := c.integerPicture(presentation)
		m.integer = &f
	}
	return m
}

// isOffset reports whether m is a timezone.
func (m *dateMark) isOffset() bool { return m.component == 'Z' || m.component == 'z' }

func (c call) integerMark(m *dateMark, presentation string, least int) {
	if m.second != 0 {
		presentation += ";" + string(m.second)
	}
	f := c.integerPicture(presentation)
	m.integer = &f
	if f.style == decimalStyle {
		f.mandatory = max(f.mandatory, least)
	}
	if strings.IndexByte("YMD", m.component) < 0 {
		return
	}
	if m.max > 0 {
		m.digits, f.mandatory = m.max, m.max
	} else if w := f.mandatory + f.optional; w >= 2 {
		m.digits = w
	}
}

// maxWidth bounds the width that a marker may ask for.
const maxWidth = 1_000

// width reads a width, 0 where it is none.
func width(s string) int {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0
	}
	return int(min(n, maxWidth))
}

var (
	months = strings.Fields("January February March April May June July August September October November December")
	days   = strings.Fields("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
)

func (n nameCase) apply(s string) string {
	switch n {
	case upperName:
		return strings.ToUpper(s)
	case lowerName:
		return strings.ToLower(s)
	}
	return s
}

// names is the names of a component, from 1 on.
func (m *dateMark) nameList(c call) []string {
	switch m.component {
	case 'M', 'x':
		return months
	case 'F':
		return days
	}
	c.fail("D3133", string(m.component))
	return nil
}

// cutName is a name as far as the width goes.
func (m *dateMark) cutName(name string) string {
	if m.max > 0 && m.max < len(name) {
		return name[:m.max]
	}
	return name
}

// nameValue is which of the names s is, in any case.
func (m *dateMark) nameValue(names []string, s string) (float64, bool) {
	i := slices.IndexFunc(names, func(name string) bool { return strings.EqualFold(m.cutName(name), s) })
	return float64(i + 1), i >= 0
}
