package jsonata

import (
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// number is argument i as a number to compute with.
func (c call) number(i int) float64 {
	d := c.arg(i)
	f := d.number()
	if !finite(f) {
		c.fail("D1001", numberText(d))
	}
	return f
}

// result is a number that was computed.
func (c call) result(f float64) datum {
	if !finite(f) {
		c.fail("D1001", f)
	}
	return num(f)
}

// numeric makes a library function of one that turns one number into another.
func numeric(f func(c call, x float64) float64) func(c call) datum {
	return func(c call) datum {
		if c.arg(0).absent() {
			return datum{}
		}
		return num(f(c, c.number(0)))
	}
}

func abs(_ call, x float64) float64 { return math.Abs(x) }

func floorOf(_ call, x float64) float64 { return math.Floor(x) }

func ceilOf(_ call, x float64) float64 { return math.Ceil(x) }

func sqrt(c call, x float64) float64 {
	if x < 0 {
		c.fail("D3060", x)
	}
	return math.Sqrt(x)
}

// The numbers as they may be spelled in a string.
var (
	decimalSyntax = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)
	radixSyntax   = regexp.MustCompile(`^0([xX][0-9A-Fa-f]+|[oO][0-7]+|[bB][01]+)$`)
)

func toNumber(c call) datum {
	d := c.arg(0)
	switch d.kind() {
	case undefined, numberKind:
		return d
	case boolKind:
		if d.isTrue() {
			return num(1)
		}
		return num(0)
	}
	s := d.string()
	c.read(len(s))
	if decimalSyntax.MatchString(s) {
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return num(f)
		}
	} else if radixSyntax.MatchString(s) && len(s) < 300 {
		i, _ := new(big.Int).SetString(s, 0)
		if f, _ := new(big.Float).SetInt(i).Float64(); finite(f) {
			return num(f)
		}
	}
	c.fail("D3030", c.quote(d))
	return d
}

func round(c call) datum {
	if c.arg(0).absent() {
		return datum{}
	}
	return num(roundHalfEven(c.number(0), int(math.Trunc(max(-400, min(c.number(1), 400))))))
}

// roundHalfEven rounds x to so many digits behind the point, a half to the
// even digit. It counts in decimals: 1.005 is half way between two hundredths.
func roundHalfEven(x float64, digits int) float64 {
	shifted := shift(x, digits)
	r := math.RoundToEven(shifted)
	return shift(r, -digits) + 0
}

// shift moves the decimal point of x.
func shift(x float64, digits int) float64 {
	if digits == 0 {
		return x
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(x, 'e', -1, 64), "e")
	n, _ := strconv.Atoi(exponent)
	f, _ := strconv.ParseFloat(mantissa+"e"+strconv.Itoa(n+digits), 64)
	return f
}

func power(c call) datum {
	if c.arg(0).absent() {
		return datum{}
	}
	base, exponent := c.number(0), c.number(1)
	f := math.Pow(base, exponent)
	if !finite(f) || c.arg(1).absent() {
		c.fail("D3061", base, exponent)
	}
	return num(f)
}

func formatBase(c call) datum {
	if c.arg(0).absent() {
		return datum{}
	}
	radix := 10.0
	if !c.arg(1).absent() {
		radix = roundHalfEven(c.number(1), 0)
	}
	if radix < 2 || radix > 36 {
		c.fail("D3100", radix)
	}
	i, _ := big.NewFloat(roundHalfEven(c.number(0), 0)).Int(nil)
	c.write(1100)
	return str(i.Text(int(radix)))
}

func sum(c call) datum {
	d := c.arg(0)
	if d.absent() {
		return d
	}
	return c.result(c.total(d))
}

func (c call) total(d datum) float64 {
	c.step(d.len())
	total := 0.0
	for i := range d.len() {
		total += d.at(i).number()
	}
	return total
}

func average(c call) datum {
	d := c.arg(0)
	if d.absent() || d.len() == 0 {
		return datum{}
	}
	return c.result(c.total(d) / float64(d.len()))
}

func largest(c call) datum { return c.best(func(a, b float64) bool { return a > b }) }

func smallest(c call) datum { return c.best(func(a, b float64) bool { return a < b }) }

// best is the number than which no other is better.
func (c call) best(better func(a, b float64) bool) datum {
	d := c.arg(0)
	if d.absent() || d.len() == 0 {
		return datum{}
	}
	c.step(d.len())
	best := d.at(0)
	for i := range d.len() {
		if better(d.at(i).number(), best.number()) {
			best = d.at(i)
		}
	}
	return best
}
