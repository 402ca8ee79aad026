package value

import (
	"strconv"
	"strings"
)

// decimal is a number to the last digit: 0.digits × 10^point, digits without
// zeros at either end. Zero has no digits and no sign.
type decimal struct {
	negative bool
	digits   string
	point    int
}

// newDecimal reads a number as JSON spells it. An exponent beyond int counts as
// the outermost int.
func newDecimal(text string) decimal {
	d := decimal{}
	text, d.negative = strings.CutPrefix(text, "-")
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		d.point, _ = strconv.Atoi(text[i+1:])
		d.point = min(max(d.point, -1<<40), 1<<40)
		text = text[:i]
	}
	whole, fraction, _ := strings.Cut(text, ".")
	d.point += len(whole)
	d.digits = strings.TrimRight(whole+fraction, "0")
	n := len(d.digits)
	d.digits = strings.TrimLeft(d.digits, "0")
	d.point -= n - len(d.digits)
	if d.digits == "" {
		return decimal{}
	}
	return d
}

// int64 is the number where it is a whole one of 64 bits.
func (d decimal) int64() (i int64, ok bool) {
	if d.digits == "" {
		return 0, true
	}
	if d.point < len(d.digits) || d.point > 19 {
		return 0, false
	}
	text := d.digits + strings.Repeat("0", d.point-len(d.digits))
	if d.negative {
		text = "-" + text
	}
	i, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, false
	}
	return i, true
}

func equalNumbers(a, b Value) bool {
	if a.text == "" && b.text == "" {
		return a.num == b.num
	}
	return a.text == b.text || newDecimal(a.Spelling()) == newDecimal(b.Spelling())
}
