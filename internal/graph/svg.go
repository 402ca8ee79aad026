package graph

import (
	"fmt"
	"strings"
	"unicode"
)

// SVG is the drawing, once laid out, as a document that stands alone: it has no
// script and asks for nothing from elsewhere. It follows who looks at it into the
// dark. Whatever names and texts hold is text in it.
func (g *Graph) SVG() string {
	w := &svg{}
	title, about := g.Title, g.about()
	if title == "" {
		title = "State machine"
	}
	w.f(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-labelledby="graph-title graph-desc">`+"\n",
		g.Width, g.Height, g.Width, g.Height)
	w.f("<title id=\"graph-title\">%s</title>\n<desc id=\"graph-desc\">%s</desc>\n", plain(title), plain(about))
	w.f("<style>\n%s</style>\n", sheetOfStyle())
	w.f(`<rect class="ground" width="%d" height="%d"/>`+"\n", g.Width, g.Height)
	if g.painted {
		w.text(edgeOfPicture, edgeOfPicture+12, "caption", g.caption())
	}
	w.flow(g.Flow, g.painted)
	w.f("</svg>\n")
	return w.String()
}

// about tells in words what is drawn.
func (g *Graph) about() string {
	states, undos := 0, 0
	var count func(f *Flow)
	count = func(f *Flow) {
		for _, b := range f.Boxes {
			switch b.Kind {
			case StateBox:
				states++
			case UndoBox:
				undos++
			}
			for _, inner := range b.Flows {
				count(inner)
			}
		}
	}
	count(g.Flow)
	words := fmt.Sprintf("A state machine of %s", many(states, "state"))
	if undos > 0 {
		words += ", " + many(undos, "compensation")
	}
	if g.painted {
		words += ", painted by what happened: " + g.Words
	}
	if g.Comment != "" {
		words += ". " + g.Comment
	}
	return words
}

func many(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// svg is a document that is being written.
type svg struct{ strings.Builder }

func (w *svg) f(format string, args ...any) { fmt.Fprintf(w, format, args...) }

// plain is a text as content or an attribute: its markup escaped, and in place of
// what XML can't have, or of what would turn the text around it, the sign for what
// is not known.
func plain(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '"':
			b.WriteString("&quot;")
		case r == '\n' || r == '\t' || r == '\r':
			b.WriteByte(' ')
		case hidden(r):
			b.WriteRune(unicode.ReplacementChar)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hidden reports whether a character is a control, of the terminal or of the
// direction of writing, or none at all.
func hidden(r rune) bool {
	return unicode.IsControl(r) || r == 0xFFFE || r == 0xFFFF || unicode.Is(unicode.Bidi_Control, r) || unicode.In(r, unicode.Zl, unicode.Zp)
}

// text writes a line, as its class has it.
func (w *svg) text(x, y int, class, s string) {
	w.f(`<text class="%s" x="%d" y="%d" direction="ltr" unicode-bidi="isolate">%s</text>`+"\n", class, x, y, plain(s))
}

// flow writes the edges of a flow, and over them its boxes.
func (w *svg) flow(f *Flow, painted bool) {
	w.edges(f.Edges, painted)
	for _, b := range f.Boxes {
		w.box(b, painted)
	}
}

// box writes a box and what is in it.
func (w *svg) box(b *Box, painted bool) {
	w.f("<g id=\"%s\"><title>%s</title>\n", b.ID, plain(b.tip()))
	defer w.f("</g>\n")
	x, y := b.X+b.Width/2, b.Y+b.Height/2
	switch b.Kind {
	case StartBox:
		w.f(`<circle class="end" cx="%d" cy="%d" r="7"/>`+"\n", x, y)
		return
	case EndBox:
		w.f(`<circle class="ring" cx="%d" cy="%d" r="8"/><circle class="end" cx="%d" cy="%d" r="4.5"/>`+"\n", x, y, x, y)
		return
	}
	class, radius := "box", 8
	switch {
	case len(b.Flows) > 0:
		class += " around"
	case b.Type == "Succeed" || b.Type == "Fail":
		radius = 20
	case b.Kind == UndoBox:
		class += " undo"
	}
	if b.Mark != "" {
		class += " " + b.Mark.class()
	}
	w.f(`<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="%d"/>`+"\n", class, b.X, b.Y, b.Width, b.Height, radius)
	w.writing(b)
	for _, f := range b.Flows {
		w.f(`<rect class="panel" x="%d" y="%d" width="%d" height="%d" rx="6"/>`+"\n", f.X, f.Y, f.Width, f.Height)
		if f.Label != "" {
			w.text(f.X+inset-2, f.Y+inset+4, "soft", f.Label)
		}
		w.flow(f, painted)
	}
}

// writing writes a box's icon and texts.
func (w *svg) writing(b *Box) {
	icon, class, name := typeIcons[b.Type], "icon", "name"
	if b.Kind == UndoBox {
		icon = undoIcon
	}
	if b.Mark != "" {
		icon, class = markIcons[b.Mark], "icon "+b.Mark.class()+"-icon"
	}
	if b.Mark == NotReached {
		name = "name pale"
	}
	details := b.details()
	y := b.Y + inset - 2
	left, room := b.X+inset, nameLine*len(b.Lines)+smallLine*len(details)
	if len(b.Flows) == 0 { // what is written stands in the middle of the height
		y = b.Y + (b.Height-room)/2 - 1
	}
	w.f(`<path class="%s" transform="translate(%d %d)" d="%s"/>`+"\n", class, left, y+(nameLine*len(b.Lines)+smallLine*(len(details)-1))/2-1, icon)
	for _, line := range b.Lines {
		w.text(left+iconRoom, y+13, name, line)
		y += nameLine
	}
	words := 0
	if b.Words != "" {
		words = len(cut(wrap(b.Words, smallSize, widestText), 2))
	}
	for i, line := range details {
		class := "soft"
		if i >= len(details)-words {
			class = b.Mark.class() + "-text"
		}
		w.text(left+iconRoom, y+12, class, line)
		y += smallLine
	}
}

// class is a mark as classes of the style have it.
func (m Mark) class() string { return strings.ReplaceAll(string(m), " ", "-") }

// tip is what is shown of a box to who points at it.
func (b *Box) tip() string {
	words := b.Name
	for _, more := range [...]string{b.Detail, b.Words, b.Comment} {
		if more != "" {
			words += " · " + more
		}
	}
	return words
}
