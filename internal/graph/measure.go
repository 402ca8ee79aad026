package graph

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The sizes of letters, in pixels.
const (
	nameSize  = 13
	smallSize = 11
)

// glyphs are how wide the characters from the space to the tilde are, in thousandths
// of the size of the letters: the wider one of DejaVu Sans Bold and Arial Bold.
var glyphs = [...]int{
	349, 457, 521, 838, 696, 1002, 873, 307, 458, 458, 523, 838, 380, 416, 380, 366,
	696, 696, 696, 696, 696, 696, 696, 696, 696, 696, 400, 400, 838, 838, 838, 611,
	1000, 774, 763, 734, 831, 684, 684, 821, 837, 373, 557, 775, 638, 996, 837, 851,
	733, 851, 771, 721, 683, 813, 774, 1104, 771, 725, 726, 458, 366, 458, 838, 557,
	500, 675, 716, 593, 716, 679, 436, 716, 712, 343, 343, 666, 343, 1042, 712, 688,
	716, 716, 494, 596, 479, 712, 652, 924, 646, 652, 583, 712, 366, 712, 838,
}

// glyph is how wide a character is at most, in thousandths of the size. What is not
// known is taken for wide: whoever looks at a drawing may have any font.
func glyph(r rune) int {
	switch {
	case r >= ' ' && r <= '~':
		return glyphs[r-' ']
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r >= 0xFDF0 && r <= 0xFDFD: // words that are one character
		return 12000
	case r >= 0x1F000: // pictures
		return 1400
	case r >= 0x2E80:
		return 1000
	}
	return 1200
}

// width is how wide a text is at most, in pixels.
func width(s string, size int) int {
	w := 0
	for _, r := range s {
		w += glyph(r)
	}
	return (w*size + 999) / 1000
}

// wrap breaks a text into lines of at most so many pixels: at its words and at the
// capitals and marks within them, and anywhere where such a part is longer. Nothing
// of it is lost but blanks at a break.
func wrap(s string, size, most int) []string {
	var lines []string
	line, wide := "", 0
	flush := func() {
		if line = strings.Trim(line, " "); line != "" || len(lines) == 0 {
			lines = append(lines, line)
		}
		line, wide = "", 0
	}
	most = most * 1000 / size
	for _, part := range parts(s) {
		w := 0
		for _, r := range strings.TrimRight(part, " ") {
			w += glyph(r)
		}
		if wide > 0 && wide+w > most {
			flush()
		}
		for _, r := range part {
			if wide > 0 && wide+glyph(r) > most && r != ' ' {
				flush()
			}
			line += string(r)
			wide += glyph(r)
		}
	}
	flush()
	if len(lines) > 1 && lines[0] == "" {
		lines = lines[1:]
	}
	return lines
}

// parts are what a text may be broken into.
func parts(s string) []string {
	var all []string
	from := 0
	var before rune
	for i, r := range s {
		cut := i > from && (before == ' ' && r != ' ' ||
			unicode.IsLower(before) && unicode.IsUpper(r) ||
			strings.ContainsRune("-_:/.,;|", before) && !strings.ContainsRune("-_:/.,;| ", r) ||
			before >= 0x2E80 || r >= 0x2E80 && utf8.ValidRune(r))
		if cut {
			all = append(all, s[from:i])
			from = i
		}
		before = r
	}
	return append(all, s[from:])
}

// cut keeps as many lines as are shown.
func cut(lines []string, most int) []string {
	if len(lines) > most {
		lines = append(lines[:most-1:most-1], lines[most-1]+"…")
	}
	return lines
}

// widest is the width of the widest line.
func widest(lines []string, size int) int {
	w := 0
	for _, line := range lines {
		w = max(w, width(line, size))
	}
	return w
}

// TextWidth is how wide a state's name is at most as it is drawn, in pixels.
func TextWidth(name string) int { return width(name, nameSize) }
