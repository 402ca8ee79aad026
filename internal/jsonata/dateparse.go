package jsonata

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// isoSyntax is what $toMillis takes where no picture is given.
var isoSyntax = regexp.MustCompile(
	`^(\d{4})(?:-(\d\d)(?:-(\d\d))?)?(?:T(\d\d):(\d\d):(\d\d))?(?:\.(\d+))?(?:(Z)|([+-])(\d\d):?(\d\d))?$`)

func toMillis(c call) datum {
	if c.arg(0).absent() {
		return datum{}
	}
	s := c.text(0)
	c.read(len(s))
	if !c.arg(1).absent() {
		return c.parseTime(s, c.text(1))
	}
	ms, ok := parseISO(s)
	if !ok {
		c.fail("D3110", s)
	}
	return num(float64(ms))
}

func parseISO(s string) (millis int, ok bool) {
	found := isoSyntax.FindStringSubmatch(s)
	if found == nil {
		return 0, false
	}
	part := func(i, otherwise int) int {
		if found[i] == "" {
			return otherwise
		}
		n, _ := strconv.Atoi(found[i])
		return n
	}
	t := utc{part(1, 0), part(2, 1), part(3, 1), part(4, 0), part(5, 0), part(6, 0), 0}
	if found[7] != "" {
		t.milli, _ = strconv.Atoi((found[7] + "00")[:3])
	}
	if t.month < 1 || t.month > 12 || t.day < 1 || t.day > 31 || t.minute > 59 || t.second > 59 ||
		t.hour > 24 || t.hour == 24 && t.minute+t.second+t.milli > 0 {
		return 0, false
	}
	if found[4] == "" && found[9] != "" {
		return 0, false // an offset needs a time of day
	}
	offset := part(10, 0)*60 + part(11, 0)
	if found[9] == "-" {
		offset = -offset
	}
	return t.millis() - offset*60_000, true
}

// The components that say a date or a time, from the largest to the smallest.
const (
	dateComponents    = "YMD"
	dayOfYear         = "Yd"
	timeComponents    = "Hmsf"
	halfDayComponents = "Phmsf"
)

// parseTime reads a time as a picture writes it; undefined where it does not
// look like that.
func (c call) parseTime(s, picture string) datum {
	marks := c.datePicture(picture)
	source := c.dateSyntax(marks)
	c.write(16 * len(source))
	c.step(len(source) + len(s)*len(source)/16)
	syntax, err := regexp.Compile(source)
	if err != nil {
		c.fail(codePattern, "the picture is too large")
	}
	found := syntax.FindStringSubmatch(s)
	if found == nil {
		return datum{}
	}
	given := map[byte]float64{}
	for i := range marks {
		if m := &marks[i]; m.component != 0 {
			if x, ok := m.parse(c, found[i+1]); ok {
				given[m.component] = x
			}
		}
	}
	if len(given) == 0 {
		return datum{}
	}
	return c.timeOf(given)
}

// timeOf is the time that the components given say. Those larger than they are
// that of now; those smaller are at their least. Gaps can't be filled.
func (c call) timeOf(given map[byte]float64) datum {
	date, time := dateComponents, timeComponents
	if has(given, "Yd") && !has(given, "M") && !has(given, "D") {
		date = dayOfYear
	} else if !has(given, "M") && !has(given, "D") && hasAny(given, "XxWw") {
		c.fail("D3136") // weeks are written, not read
	}
	if !has(given, "H") && hasAny(given, "Ph") {
		time = halfDayComponents
	}
	present := utcOf(int(c.now))
	begun, ended := false, false
	parts := map[byte]float64{}
	for _, p := range []byte(date + time) {
		x, ok := given[p]
		switch {
		case ok && ended:
			c.fail("D3136")
		case ok:
			begun = true
		case begun:
			ended = true
			if strings.IndexByte("MDd", p) >= 0 {
				x = 1
			}
		default:
			x = float64(present.component(p))
		}
		parts[p] = x
	}
	return c.assemble(parts, date, given['Z']+given['z'])
}

func (c call) assemble(parts map[byte]float64, date string, offset float64) datum {
	for _, x := range parts {
		if x > maxMillis {
			c.fail(codeOutOfRange, "The timestamp is out of range")
		}
	}
	if h, ok := parts['h']; ok {
		parts['H'] = float64(int(h)%12) + 12*parts['P']
	}
	year := parts['Y']
	if year >= 0 && year < 100 {
		year += 1900 // as ECMAScript has it
	}
	month, day := parts['M'], parts['D']
	if date == dayOfYear {
		month, day = 1, parts['d']
	}
	if year > 300_000 || month > 1e6 || day > 1e9 {
		c.fail(codeOutOfRange, "The timestamp is out of range")
	}
	days := float64(dayNumber(int(year), max(int(month), 1), int(day)))
	return num(days*millisPerDay + parts['H']*3_600_000 + (parts['m']-offset)*60_000 + parts['s']*1000 + parts['f'])
}

func has(given map[byte]float64, components string) bool {
	for _, p := range []byte(components) {
		if _, ok := given[p]; !ok {
			return false
		}
	}
	return true
}

func hasAny(given map[byte]float64, components string) bool {
	for _, p := range []byte(components) {
		if _, ok := given[p]; ok {
			return true
		}
	}
	return false
}

// dateSyntax is a regular expression with a group for each mark.
func (c call) dateSyntax(marks []dateMark) string {
	var out strings.Builder
	out.WriteString(`(?i)\A`)
	for i := range marks {
		out.WriteString("(" + marks[i].syntax(c) + ")")
	}
	out.WriteString(`\z`)
	return out.String()
}

func (m *dateMark) syntax(c call) string {
	switch {
	case m.component == 0:
		return regexp.QuoteMeta(m.text)
	case m.isOffset():
		s := `[-+][0-9]+`
		if m.integer.regular > 0 {
			s += regexp.QuoteMeta(m.integer.marks[0].mark) + `[0-9]+`
		}
		if m.component == 'z' {
			s = "GMT" + s
		}
		return s
	case m.integer != nil:
		return m.integer.syntax(c)
	case m.component != 'P':
		m.nameList(c)
	}
	return `[a-zA-Z]+`
}

// wordSyntax is a regular expression for numbers in English.
var wordSyntax = `(?:` + strings.Join(slices.Concat(smallNumbers, smallOrdinals, tens, magnitudes), "|") +
	`|(?:twent|thirt|fort|fift|sixt|sevent|eight|ninet)ieth|hundred|th|and|[-, ])+`

// syntax is a regular expression for the integers of the format.
func (f *integerFormat) syntax(c call) string {
	switch f.style {
	case letterStyle:
		return `[a-z]+`
	case romanStyle:
		return `[mdclxvi]+`
	case wordStyle:
		return wordSyntax
	case unknownStyle:
		c.fail("D3130", f.text)
	}
	digits := `[0-9]`
	if f.zero != '0' {
		digits = fmt.Sprintf(`[\x{%x}-\x{%x}]`, f.zero, f.zero+9)
	}
	switch {
	case f.width > maxWidth:
		digits = noCharacter
	case f.width > 0:
		digits += fmt.Sprintf("{%d}", f.width)
	default:
		digits += "+"
	}
	if f.ordinal {
		digits += `(?:th|st|nd|rd)`
	}
	return digits
}

// parse reads a component. Its groups were matched, so it is there.
func (m *dateMark) parse(c call, s string) (float64, bool) {
	switch {
	case m.isOffset():
		return m.parseOffset(s), true
	case m.integer != nil:
		return m.integer.parse(s)
	case m.component == 'P':
		return map[string]float64{"am": 0, "pm": 1}[strings.ToLower(s)], true
	}
	return m.nameValue(m.nameList(c), s)
}

// parseOffset reads a timezone, in minutes.
func (m *dateMark) parseOffset(s string) float64 {
	s = strings.TrimLeft(s, "GMTgmt")
	sign, s := s[0], s[1:]
	hours, minutes := s, "0"
	if m.integer.regular > 0 {
		hours, minutes, _ = strings.Cut(s, m.integer.marks[0].mark)
	} else if len(s) > 2 {
		hours, minutes = s[:2], s[2:]
	}
	h, _ := strconv.ParseFloat(hours, 64)
	n, _ := strconv.ParseFloat(minutes, 64)
	if n += h * 60; sign == '-' {
		return -n
	}
	return n
}
