package jsonata

import (
	"math"
	"strconv"
	"strings"
)

const (
	millisPerDay  = 24 * 60 * 60 * 1000
	millisPerWeek = 7 * millisPerDay

	maxMillis = 8.64e15 // beyond it there is no time in ECMAScript
)

// utc is a time in parts, month and day from 1 on. Years go on below 1.
type utc struct {
	year, month, day, hour, minute, second, milli int
}

// dayNumber is the days from 1970-01-01 to a day; months may lie beyond a year.
func dayNumber(year, month, day int) int {
	year += floorDiv(month-1, 12)
	month = month - 1 - 12*floorDiv(month-1, 12) + 1
	if month <= 2 { // years begin in March, so that the leap day is their last
		year--
		month += 12
	}
	era := floorDiv(year, 400)
	inEra := year - era*400
	return era*146097 + inEra*365 + inEra/4 - inEra/100 + (153*(month-3)+2)/5 + day - 1 - 719468
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b != 0 && a < 0 {
		q--
	}
	return q
}

// utcOf is a time, in ms since 1970, in parts.
func utcOf(millis int) utc {
	days := floorDiv(millis, millisPerDay)
	rest := millis - days*millisPerDay
	shifted := days + 719468
	era := floorDiv(shifted, 146097)
	inEra := shifted - era*146097
	year := (inEra - inEra/1460 + inEra/36524 - inEra/146096) / 365
	inYear := inEra - (365*year + year/4 - year/100)
	month := (5*inYear + 2) / 153
	t := utc{year: year + era*400, month: month + 3, day: inYear - (153*month+2)/5 + 1}
	if t.month > 12 {
		t.month -= 12
		t.year++
	}
	t.hour, t.minute = rest/3_600_000, rest/60_000%60
	t.second, t.milli = rest/1000%60, rest%1000
	return t
}

func (t utc) millis() int {
	return dayNumber(t.year, t.month, t.day)*millisPerDay + t.hour*3_600_000 + t.minute*60_000 + t.second*1000 + t.milli
}

// weekday is 1 for Monday to 7 for Sunday.
func weekday(day int) int { return day + 3 - 7*floorDiv(day+3, 7) + 1 }

// firstWeek is the Monday of the first week of a month: that which holds its
// first Thursday.
func firstWeek(year, month int) int {
	first := dayNumber(year, month, 1)
	if w := weekday(first); w > 4 {
		return first + 8 - w
	} else {
		return first - (w - 1)
	}
}

// weekOf is the week that a day lies in, within the months that a span begins
// and ends with.
func (t utc) weekOf(from, length int) int {
	day := dayNumber(t.year, t.month, t.day)
	switch {
	case day >= firstWeek(t.year, from+length):
		return 1
	case day < firstWeek(t.year, from):
		from -= length
	}
	return (day-firstWeek(t.year, from))/7 + 1
}

// turn tells whether a day's week belongs to the span before (-1) or behind (1)
// the one that begins with a month.
func (t utc) turn(from, length int) int {
	day := dayNumber(t.year, t.month, t.day)
	switch {
	case day < firstWeek(t.year, from):
		return -1
	case day >= firstWeek(t.year, from+length):
		return 1
	}
	return 0
}

// component is a component of the time as a number.
func (t utc) component(c byte) int {
	switch c {
	case 'Y':
		return t.year
	case 'M':
		return t.month
	case 'D':
		return t.day
	case 'd':
		return dayNumber(t.year, t.month, t.day) - dayNumber(t.year, 1, 1) + 1
	case 'F':
		return weekday(dayNumber(t.year, t.month, t.day))
	case 'W':
		return t.weekOf(1, 12)
	case 'w':
		return t.weekOf(t.month, 1)
	case 'X':
		return t.year + t.turn(1, 12)
	case 'x':
		return (t.month+t.turn(t.month, 1)+11)%12 + 1
	case 'H':
		return t.hour
	case 'h':
		return (t.hour+11)%12 + 1
	case 'P':
		return t.hour / 12
	case 'm':
		return t.minute
	case 's':
		return t.second
	case 'f':
		return t.milli
	}
	return 0
}

func millis(c call) datum { return num(float64(c.now)) }

func now(c call) datum { return c.formatTime(int(c.now), c.arg(0), c.arg(1)) }

func fromMillis(c call) datum {
	if c.arg(0).absent() {
		return datum{}
	}
	x := c.number(0)
	if math.Abs(x) > maxMillis {
		c.fail(codeOutOfRange, "The number of milliseconds is out of range: "+strconv.FormatFloat(x, 'g', -1, 64))
	}
	return c.formatTime(int(math.Trunc(x)), c.arg(1), c.arg(2))
}

// formatTime writes a time, shifted by a timezone such as "+0100".
func (c call) formatTime(millis int, picture, timezone datum) datum {
	offset := 0 // hours and minutes: 130 is an hour and a half
	if !timezone.absent() {
		offset = parseOffset(timezone.string())
	}
	text := isoPicture
	if !picture.absent() {
		text = picture.string()
	}
	t := utcOf(millis + (offset/100*60+offset%100)*60_000)
	b := builder{call: c}
	for _, m := range c.datePicture(text) {
		if m.component == 0 {
			b.write(m.text)
		} else {
			b.write(c.formatMark(t, &m, offset))
		}
	}
	return b.datum()
}

// parseOffset reads the digits that a timezone begins with.
func parseOffset(s string) int {
	s = strings.TrimSpace(s)
	end := 0
	for end < len(s) && end < 6 && (s[end] >= '0' && s[end] <= '9' || end == 0 && (s[0] == '-' || s[0] == '+')) {
		end++
	}
	n, _ := strconv.Atoi(s[:end])
	return n
}

func (c call) formatMark(t utc, m *dateMark, offset int) string {
	switch m.component {
	case 'Z', 'z':
		return c.formatOffset(m, offset)
	case 'P':
		return m.names.apply([]string{"am", "pm"}[t.hour/12])
	case 'C', 'E':
		return "ISO"
	}
	x := t.component(m.component)
	if m.names != noName {
		return m.cutName(m.names.apply(m.nameList(c)[x-1]))
	}
	if m.component == 'Y' && m.digits > 0 && m.digits < 10 {
		x %= int(math.Pow10(m.digits))
	}
	return c.formatInteger(float64(x), *m.integer)
}

func (c call) formatOffset(m *dateMark, offset int) string {
	text := ""
	size, sign := max(offset, -offset), "+"
	if offset < 0 {
		sign = "-"
	}
	switch {
	case m.integer.regular > 0 || m.integer.mandatory == 3 || m.integer.mandatory == 4:
		text = c.formatInteger(float64(size), *m.integer)
	case m.integer.mandatory == 1 || m.integer.mandatory == 2:
		text = c.formatInteger(float64(size/100), *m.integer)
		if size%100 != 0 {
			text += ":" + strconv.Itoa(100 + size%100)[1:]
		}
	default:
		c.fail("D3134")
	}
	switch {
	case offset == 0 && m.second == 't':
		return "Z"
	case m.component == 'z':
		return "GMT" + sign + text
	}
	return sign + text
}
