package jsonata

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// integerStyle tells in what way a picture writes an integer.
type integerStyle uint8

const (
	decimalStyle integerStyle = iota
	letterStyle               // a, b, … z, aa
	romanStyle
	wordStyle
	unknownStyle // a sequence that begins with what the picture says
)

type letterCase uint8

const (
	lowerCase letterCase = iota
	upperCase
	titleCase
)

// integerFormat is what a picture says about an integer: "#,##0;o".
type integerFormat struct {
	style     integerStyle
	letters   letterCase
	ordinal   bool
	zero      rune // the first digit of the family
	mandatory int  // digits
	optional  int
	marks     []groupMark // from right to left
	regular   int         // digits between any two marks, 0 where they differ
	width     int         // digits to read, 0 where it is open
	text      string
}

// groupMark is a separator and how many digits stand on its right.
type groupMark struct {
	position int
	mark     string
}

var integerStyles = map[string]integerFormat{
	"A": {style: letterStyle, letters: upperCase}, "a": {style: letterStyle},
	"I": {style: romanStyle, letters: upperCase}, "i": {style: romanStyle},
	"W": {style: wordStyle, letters: upperCase}, "w": {style: wordStyle}, "Ww": {style: wordStyle, letters: titleCase},
}

// integerPicture reads a picture.
func (c call) integerPicture(picture string) integerFormat {
	c.write(len(picture))
	primary, modifier := picture, ""
	if i := strings.LastIndexByte(picture, ';'); i >= 0 {
		primary, modifier = picture[:i], picture[i+1:]
	}
	f, named := integerStyles[primary]
	f.text = primary
	f.ordinal = strings.HasPrefix(modifier, "o")
	if !named {
		c.digitPicture(&f, primary)
	}
	return f
}

// digitPicture reads a picture of digits, optional digits (#) and separators.
func (c call) digitPicture(f *integerFormat, primary string) {
	runes := []rune(primary)
	for _, r := range slices.Backward(runes) {
		zero, digit := digitFamily(r)
		switch {
		case digit && f.zero != 0 && f.zero != zero:
			c.fail("D3131")
		case digit:
			f.zero = zero
			f.mandatory++
		case r == '#':
			f.optional++
		default:
			f.marks = append(f.marks, groupMark{f.mandatory + f.optional, string(r)})
		}
	}
	if f.mandatory == 0 {
		f.style = unknownStyle
		return
	}
	f.regular = regularMarks(f.marks)
}

// digitFamily is the zero of the digits that r is one of.
func digitFamily(r rune) (zero rune, ok bool) {
	if !unicode.Is(unicode.Nd, r) {
		return 0, false
	}
	zero = r
	for unicode.Is(unicode.Nd, zero-1) {
		zero--
	}
	return zero + (r-zero)/10*10, true
}

// regularMarks is the distance between the marks, where they are all the same
// and stand at all its multiples.
func regularMarks(marks []groupMark) int {
	step := 0
	for _, m := range marks {
		if m.mark != marks[0].mark {
			return 0
		}
		step = gcd(step, m.position)
	}
	for i, m := range marks {
		if m.position != (i+1)*step {
			return 0
		}
	}
	return step
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func formatIntegerOf(c call) datum {
	if c.arg(0).absent() {
		return datum{}
	}
	return str(c.formatInteger(math.Floor(c.number(0)), c.integerPicture(c.text(1))))
}

// formatInteger writes a whole number.
func (c call) formatInteger(x float64, f integerFormat) string {
	sign := ""
	if x < 0 {
		sign, x = "-", -x
	}
	switch f.style {
	case letterStyle:
		return sign + cased(letters(x), f.letters)
	case romanStyle:
		c.write(int(min(x/1000+16, 1<<40)))
		return sign + cased(roman(int(x)), f.letters)
	case wordStyle:
		return sign + cased(words(x, false, f.ordinal), f.letters)
	case unknownStyle:
		c.fail("D3130", f.text)
	}
	digits := strconv.FormatFloat(x, 'f', 0, 64)
	c.write(2 * (len(digits) + f.mandatory) * max(1, len(f.marks)/8))
	if missing := f.mandatory - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	out := f.grouped(digits)
	if f.ordinal {
		out += ordinalSuffix(out)
	}
	return sign + out
}

// grouped is the digits in their family, with separators.
func (f integerFormat) grouped(digits string) string {
	var out strings.Builder
	marks := len(f.marks)
	for i, d := range digits {
		right := len(digits) - i
		if f.regular > 0 {
			if i > 0 && right%f.regular == 0 {
				out.WriteString(f.marks[0].mark)
			}
		} else {
			for marks > 0 && f.marks[marks-1].position >= right {
				marks--
				if f.marks[marks].position == right {
					out.WriteString(f.marks[marks].mark)
				}
			}
		}
		out.WriteRune(f.zero + d - '0')
	}
	for f.regular == 0 && marks > 0 { // those behind the last digit
		marks--
		out.WriteString(f.marks[marks].mark)
	}
	return out.String()
}

// ordinalSuffix goes by how a number is written: the reference looks no further.
func ordinalSuffix(digits string) string {
	n := len(digits)
	if n > 1 && digits[n-2] == '1' {
		return "th"
	}
	switch digits[n-1] {
	case '1':
		return "st"
	case '2':
		return "nd"
	case '3':
		return "rd"
	}
	return "th"
}

func cased(s string, c letterCase) string {
	switch c {
	case upperCase:
		return strings.ToUpper(s)
	case lowerCase:
		return strings.ToLower(s)
	}
	return s
}

func letters(x float64) string {
	var out []byte
	for ; x > 0; x = math.Floor((x - 1) / 26) {
		out = append(out, 'a'+byte(math.Mod(x-1, 26)))
	}
	slices.Reverse(out)
	return string(out)
}

var romanNumerals = []struct {
	value int
	text  string
}{
	{1000, "m"}, {900, "cm"}, {500, "d"}, {400, "cd"}, {100, "c"}, {90, "xc"}, {50, "l"}, {40, "xl"},
	{10, "x"}, {9, "ix"}, {5, "v"}, {4, "iv"}, {1, "i"},
}

func roman(n int) string {
	var out strings.Builder
	for _, numeral := range romanNumerals {
		for ; n >= numeral.value; n -= numeral.value {
			out.WriteString(numeral.text)
		}
	}
	return out.String()
}

var (
	smallNumbers = strings.Fields("Zero One Two Three Four Five Six Seven Eight Nine Ten Eleven Twelve Thirteen Fourteen " +
		"Fifteen Sixteen Seventeen Eighteen Nineteen")
	smallOrdinals = strings.Fields("Zeroth First Second Third Fourth Fifth Sixth Seventh Eighth Ninth Tenth Eleventh Twelfth " +
		"Thirteenth Fourteenth Fifteenth Sixteenth Seventeenth Eighteenth Nineteenth")
	tens       = strings.Fields("Twenty Thirty Forty Fifty Sixty Seventy Eighty Ninety")
	magnitudes = strings.Fields("Thousand Million Billion Trillion")
)

// words says a number in English. What follows on larger numbers is joined to
// them.
func words(x float64, follows, ordinal bool) string {
	join := func(s string) string {
		if follows {
			return s
		}
		return ""
	}
	th := func(rest float64) string {
		if rest > 0 {
			return words(rest, true, ordinal)
		}
		if ordinal {
			return "th"
		}
		return ""
	}
	switch {
	case x < 20 && ordinal:
		return join(" and ") + smallOrdinals[int(x)]
	case x < 20:
		return join(" and ") + smallNumbers[int(x)]
	case x < 100:
		word := tens[int(x)/10-2]
		switch rest := math.Mod(x, 10); {
		case rest > 0:
			word += "-" + words(rest, false, ordinal)
		case ordinal:
			word = word[:len(word)-1] + "ieth"
		}
		return join(" and ") + word
	case x < 1000:
		return join(", ") + smallNumbers[int(x)/100] + " Hundred" + th(math.Mod(x, 100))
	}
	magnitude := 1
	factor := 1000.0
	for magnitude < len(magnitudes) && x >= factor*1000 {
		magnitude, factor = magnitude+1, factor*1000
	}
	many := math.Floor(x / factor)
	return join(", ") + words(many, false, false) + " " + magnitudes[magnitude-1] + th(x-many*factor)
}

func parseIntegerOf(c call) datum {
	if c.arg(0).absent() {
		return datum{}
	}
	f := c.integerPicture(c.text(1))
	c.write(len(c.text(0)))
	c.step(len(c.text(0)) * (1 + len(f.marks)) / 32)
	x, ok := f.parse(c.text(0))
	if !ok {
		c.fail("D3130", c.text(0))
	}
	return c.result(x)
}

// parse reads an integer as the format writes it.
func (f integerFormat) parse(s string) (x float64, ok bool) {
	switch f.style {
	case letterStyle:
		return parseLetters(s, f.letters)
	case romanStyle:
		return parseRoman(strings.ToLower(s))
	case wordStyle:
		return parseWords(strings.ToLower(s))
	case unknownStyle:
		return 0, false
	}
	if f.ordinal && len(s) > 2 {
		s = s[:len(s)-2]
	}
	var digits strings.Builder
	for i, r := range s {
		zero, digit := digitFamily(r)
		switch {
		case digit && zero == f.zero:
			digits.WriteByte('0' + byte(r-zero))
		case i == 0 && r == '-':
			digits.WriteByte('-')
		case !slices.ContainsFunc(f.marks, func(m groupMark) bool { return m.mark == string(r) }):
			return 0, false
		}
	}
	x, err := strconv.ParseFloat(digits.String(), 64)
	return x, err == nil
}

func parseLetters(s string, c letterCase) (x float64, ok bool) {
	first := rune('a')
	if c == upperCase {
		first = 'A'
	}
	for _, r := range s {
		if r < first || r > first+25 {
			return 0, false
		}
		x = x*26 + float64(r-first+1)
	}
	return x, true
}

func parseRoman(s string) (x float64, ok bool) {
	highest := 1
	for i := len(s) - 1; i >= 0; i-- {
		at := slices.IndexFunc(romanNumerals, func(n struct {
			value int
			text  string
		}) bool {
			return n.text == s[i:i+1]
		})
		if at < 0 {
			return 0, false
		}
		n := romanNumerals[at].value
		if n < highest {
			x -= float64(n)
		} else {
			x, highest = x+float64(n), n
		}
	}
	return x, true
}

// parseWords reads a number in English, cardinal or ordinal.
func parseWords(s string) (x float64, ok bool) {
	parts := strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == '-' || r == ',' })
	segments := []float64{0}
	for _, part := range parts {
		if part == "and" {
			continue
		}
		n, known := wordValue(part)
		last := &segments[len(segments)-1]
		switch {
		case !known:
			return 0, false
		case n >= 100:
			*last *= n
		case *last >= 1000:
			segments = append(segments, n)
		default:
			*last += n
		}
	}
	for _, n := range segments {
		x += n
	}
	return x, len(parts) > 0
}

func wordValue(word string) (float64, bool) {
	is := func(name string) bool { return strings.EqualFold(name, word) }
	if i := slices.IndexFunc(smallNumbers, is); i >= 0 {
		return float64(i), true
	}
	if i := slices.IndexFunc(smallOrdinals, is); i >= 0 {
		return float64(i), true
	}
	if stem, ok := strings.CutSuffix(word, "ieth"); ok {
		word = stem + "y"
	}
	if i := slices.IndexFunc(tens, is); i >= 0 {
		return float64(10*i + 20), true
	}
	word = strings.TrimSuffix(word, "th")
	if word == "hundred" {
		return 100, true
	}
	i := slices.IndexFunc(magnitudes, is)
	return math.Pow10(3*i + 3), i >= 0
}
