package jsonata

import "strings"

// A regular expression that Go's regexp can't run is compiled to a program for
// a machine that tries one way after the other. Each instruction is a step of
// the evaluation, and the ways that are left to try are counted as memory.

// maxProgram is how many instructions a program may have.
const maxProgram = 20_000

// rxOp is what an instruction does. Those that can't fail; go back to the last
// way that is left to try.
type rxOp uint8

const (
	opSet    rxOp = iota // take a character of the set
	opSplit              // go on at to; later, try at other
	opJump               // go on at to
	opSave               // note where we are in register to
	opMoved              // fail where register to is where we are
	opForget             // empty the registers from to up to other
	opBegin
	opEnd
	opWord
	opNotWord
	opBack // take what group to has taken
	opLook // match what follows up to other, without going there
	opDone
)

type rxInst struct {
	op        rxOp
	back      bool // read backwards
	negative  bool
	to, other int
	set       *charSet
}

// program is a compiled regular expression. Registers 2n and 2n+1 are where
// group n begins and ends; those behind serve the loops.
type program struct {
	insts     []rxInst
	registers int
	fold      bool
	multiline bool
}

// compileProgram is nil where the program would be too large.
func compileProgram(tree *rx, groups int, fold, multiline bool) *program {
	if tree.size() > maxProgram {
		return nil
	}
	c := rxCompiler{program: program{registers: 2 * (groups + 1), fold: fold, multiline: multiline}}
	c.compile(tree, false)
	c.add(rxInst{op: opDone})
	return &c.program
}

type rxCompiler struct{ program }

func (c *rxCompiler) add(i rxInst) int {
	c.insts = append(c.insts, i)
	return len(c.insts) - 1
}

func (c *rxCompiler) here() int { return len(c.insts) }

var edges = map[rxKind]rxOp{rxBegin: opBegin, rxEnd: opEnd, rxWord: opWord, rxNotWord: opNotWord}

func (c *rxCompiler) compile(n *rx, back bool) {
	switch n.kind {
	case rxSet:
		c.add(rxInst{op: opSet, set: n.set, back: back})
	case rxAll:
		for i := range n.parts {
			if back {
				i = len(n.parts) - 1 - i
			}
			c.compile(n.parts[i], back)
		}
	case rxAny:
		c.alternatives(n, back)
	case rxRepeat:
		c.repeat(n, back)
	case rxGroup:
		c.group(n, back)
	case rxLook:
		look := c.add(rxInst{op: opLook, negative: n.negative})
		c.compile(n.parts[0], n.behind)
		c.add(rxInst{op: opDone})
		c.insts[look].other = c.here()
	case rxBack:
		c.add(rxInst{op: opBack, to: n.number, back: back})
	default:
		c.add(rxInst{op: edges[n.kind]})
	}
}

func (c *rxCompiler) group(n *rx, back bool) {
	if n.number == 0 {
		c.compile(n.parts[0], back)
		return
	}
	begin, end := 2*n.number, 2*n.number+1
	if back {
		begin, end = end, begin
	}
	c.add(rxInst{op: opSave, to: begin})
	c.compile(n.parts[0], back)
	c.add(rxInst{op: opSave, to: end})
}

func (c *rxCompiler) alternatives(n *rx, back bool) {
	var jumps []int
	for i, part := range n.parts {
		if i == len(n.parts)-1 {
			c.compile(part, back)
			break
		}
		split := c.add(rxInst{op: opSplit})
		c.insts[split].to = c.here()
		c.compile(part, back)
		jumps = append(jumps, c.add(rxInst{op: opJump}))
		c.insts[split].other = c.here()
	}
	for _, j := range jumps {
		c.insts[j].to = c.here()
	}
}

// repeat counts repetitions out: min rounds that must be, then those that may
// be, each of which has to go forward.
func (c *rxCompiler) repeat(n *rx, back bool) {
	for range n.min {
		c.round(n, back)
	}
	if n.max < 0 {
		split, start := c.optional(n, back)
		c.add(rxInst{op: opJump, to: start})
		c.exit(split, n.lazy)
		return
	}
	var splits []int
	for range n.max - n.min {
		split, _ := c.optional(n, back)
		splits = append(splits, split)
	}
	for _, split := range splits {
		c.exit(split, n.lazy)
	}
}

// round is one round of a repetition, which forgets the groups of the last.
func (c *rxCompiler) round(n *rx, back bool) {
	if first, last := n.groups(); first > 0 {
		c.add(rxInst{op: opForget, to: 2 * first, other: 2*last + 2})
	}
	c.compile(n.parts[0], back)
}

func (c *rxCompiler) optional(n *rx, back bool) (split, start int) {
	start = c.add(rxInst{op: opSplit})
	c.insts[start].to = c.here()
	if n.parts[0].nullable() {
		register := c.registers
		c.registers++
		c.add(rxInst{op: opSave, to: register})
		c.round(n, back)
		c.add(rxInst{op: opMoved, to: register})
	} else {
		c.round(n, back)
	}
	return start, start
}

// exit lets a split leave its loop here; a lazy one tries that first.
func (c *rxCompiler) exit(split int, lazy bool) {
	inst := &c.insts[split]
	inst.other = c.here()
	if lazy {
		inst.to, inst.other = inst.other, inst.to
	}
}

// groups is the first and the last group within n, 0 where there is none.
func (n *rx) groups() (first, last int) {
	if n.kind == rxGroup && n.number > 0 {
		first, last = n.number, n.number
	}
	for _, part := range n.parts {
		f, l := part.groups()
		if first == 0 {
			first = f
		}
		last = max(last, l)
	}
	return first, last
}

// way is one that is left to try, or a register to set back on the way there.
type way struct {
	pc, at   int
	register int // -1 for a way to try
}

const bytesPerWay = 24

// tracker runs a program over a text.
type tracker struct {
	*meter
	*program
	text string
	regs []int
	ways []way
}

// find is the first match at or behind from: where it and its groups begin and
// end, -1 where a group took no part; nil where there is none.
func (p *program) find(m *meter, text string, from int) []int {
	t := &tracker{meter: m, program: p, text: text, regs: make([]int, p.registers)}
	for at := from; at <= len(text); {
		for i := range t.regs {
			t.regs[i] = -1
		}
		m.step(1 + len(t.regs)/8)
		if end, ok := t.run(0, at); ok {
			t.regs[0], t.regs[1] = at, end
			return t.regs
		}
		_, n := decodeRune(text[at:])
		at += max(n, 1)
	}
	return nil
}

// run tries all ways from pc at a place of the text. It leaves the ways that
// were there before it.
func (t *tracker) run(pc, at int) (end int, ok bool) {
	base := len(t.ways)
	defer func() { t.ways = t.ways[:base] }()
	for {
		t.step(1)
		next, moved, matched := t.exec(&t.insts[pc], pc, at)
		switch {
		case !matched:
			if pc, at, ok = t.back(base); !ok {
				return 0, false
			}
		case next < 0:
			return at, true
		default:
			pc, at = next, moved
		}
	}
}

// back goes to the last way that is left, if there is one above base.
func (t *tracker) back(base int) (pc, at int, ok bool) {
	for len(t.ways) > base {
		w := t.ways[len(t.ways)-1]
		t.ways = t.ways[:len(t.ways)-1]
		if w.register < 0 {
			return w.pc, w.at, true
		}
		t.regs[w.register] = w.at
	}
	return 0, 0, false
}

func (t *tracker) push(w way) {
	if len(t.ways) == cap(t.ways) {
		n := max(64, len(t.ways))
		t.take(n * bytesPerWay)
		t.ways = append(make([]way, 0, len(t.ways)+n), t.ways...)
	}
	t.ways = append(t.ways, w)
}

func (t *tracker) set(register, at int) {
	t.push(way{register: register, at: t.regs[register]})
	t.regs[register] = at
}

// exec executes one instruction: where to go on in the program, -1 for its
// end, and in the text.
func (t *tracker) exec(i *rxInst, pc, at int) (next, moved int, ok bool) {
	switch i.op {
	case opSet:
		t.step(len(i.set.ranges) / 32)
		r, n := t.char(at, i.back)
		if n == 0 || !i.set.has(r) {
			return 0, 0, false
		}
		return pc + 1, t.move(at, n, i.back), true
	case opSplit:
		t.push(way{pc: i.other, at: at, register: -1})
		return i.to, at, true
	case opJump:
		return i.to, at, true
	case opSave:
		t.set(i.to, at)
	case opMoved:
		return pc + 1, at, t.regs[i.to] != at
	case opForget:
		for r := i.to; r < i.other; r++ {
			if t.regs[r] >= 0 {
				t.set(r, -1)
			}
		}
	case opBack:
		n, same := t.repeats(i, at)
		return pc + 1, t.move(at, n, i.back), same
	case opLook:
		return i.other, at, t.look(i, pc, at)
	case opDone:
		return -1, at, true
	default:
		return pc + 1, at, t.edge(i.op, at)
	}
	return pc + 1, at, true
}

func (t *tracker) move(at, n int, back bool) int {
	if back {
		return at - n
	}
	return at + n
}

// char is the character in front of us; n is 0 at the end.
func (t *tracker) char(at int, back bool) (r rune, n int) {
	if !back {
		return decodeRune(t.text[at:])
	}
	start := at
	for start > 0 {
		start--
		if t.text[start]&0xC0 != 0x80 {
			break
		}
	}
	r, _ = decodeRune(t.text[start:at])
	return r, at - start
}

// look tries what a look-around asks for. The registers that it sets stay set,
// but are set back if we come back here.
func (t *tracker) look(i *rxInst, pc, at int) bool {
	before := append([]int(nil), t.regs...)
	t.step(len(before) / 8)
	_, found := t.run(pc+1, at)
	if !found || i.negative {
		copy(t.regs, before)
		return found != i.negative
	}
	for r, old := range before {
		if now := t.regs[r]; now != old {
			t.regs[r] = old
			t.set(r, now)
		}
	}
	return true
}

// repeats reports whether what a group took stands here again.
func (t *tracker) repeats(i *rxInst, at int) (n int, ok bool) {
	from, to := t.regs[2*i.to], t.regs[2*i.to+1]
	if from < 0 || to < 0 {
		return 0, true
	}
	group := t.text[from:to]
	t.read(len(group))
	rest := t.text[at:]
	if i.back {
		rest = t.text[max(0, at-len(group)):at]
	}
	if len(rest) < len(group) {
		return 0, false
	}
	rest = rest[:len(group)]
	return len(group), rest == group || t.fold && strings.EqualFold(rest, group)
}

func (t *tracker) edge(op rxOp, at int) bool {
	before, n := t.char(at, true)
	after, m := t.char(at, false)
	line := charSet{ranges: lineRanges}
	word := charSet{ranges: wordRanges}
	switch op {
	case opBegin:
		return n == 0 || t.multiline && line.has(before)
	case opEnd:
		return m == 0 || t.multiline && line.has(after)
	}
	boundary := (n > 0 && word.has(before)) != (m > 0 && word.has(after))
	return boundary == (op == opWord)
}
