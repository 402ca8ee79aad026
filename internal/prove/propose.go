package prove

import (
	"slices"
	"unicode"

	"github.com/backstep/backstep/internal/asl"
)

// Propose reads from the names of states and functions which states undo which,
// what tells somebody something, and what changes nothing. It is a guess, for a
// person to confirm.
func Propose(program *asl.Program) *Sidecar {
	g := &guess{program: program, calls: map[*asl.State]*call{}, names: map[*asl.State][2]name{}, place: map[*asl.State]int{},
		reach: map[*asl.State][]bool{}, side: &Sidecar{}}
	for i, s := range program.Order {
		g.place[s] = i
		if s.Task != nil {
			c := newCall(&s.Task.Resource, s.Parameters)
			g.calls[s] = &c
			g.names[s] = [2]name{newName(s.Name), newName(c.function)}
		}
	}
	g.forward = g.reachable(program.Flow.Start, false)
	g.pairUp()
	g.refuse()
	g.describe()
	return g.side
}

// guess is a proposal being made.
type guess struct {
	program *asl.Program
	calls   map[*asl.State]*call
	names   map[*asl.State][2]name // of the state and of its function
	place   map[*asl.State]int     // in the program's order
	forward []bool                 // by place: entered although nothing failed
	reach   map[*asl.State][]bool  // by place: what can be entered from a state
	side    *Sidecar
}

// opposites are verbs that undo, each with those that it undoes; "*" undoes
// whatever has its noun.
var opposites = map[string][]string{
	"release":     {"reserve", "allocate", "acquire", "aquire", "lock", "hold", "claim"},
	"unreserve":   {"reserve"},
	"deallocate":  {"allocate", "reserve"},
	"refund":      {"charge", "debit", "pay", "collect", "capture", "process", "make", "take", "payment"},
	"credit":      {"debit", "charge", "withdraw"},
	"void":        {"authorize", "authorise", "charge"},
	"cancel":      {"create", "book", "process", "place", "reserve", "schedule", "order", "rent", "submit", "confirm", "request"},
	"unbook":      {"book"},
	"delete":      {"create", "add", "insert", "put", "save", "store", "provision", "register", "upload", "new"},
	"remove":      {"create", "add", "insert", "put", "save", "store", "register"},
	"drop":        {"create"},
	"unlock":      {"lock", "acquire"},
	"stop":        {"start", "launch", "run"},
	"terminate":   {"start", "launch", "run", "create"},
	"detach":      {"attach"},
	"disable":     {"enable"},
	"revoke":      {"grant", "issue"},
	"deregister":  {"register"},
	"unregister":  {"register"},
	"deprovision": {"provision", "create"},
	"unsubscribe": {"subscribe"},
	"restock":     {"pick", "reserve", "take"},
	"withdraw":    {"deposit", "offer"},
	"undo":        {"*"}, "rollback": {"*"}, "revert": {"*"}, "compensate": {"*"}, "compensation": {"*"}, "reverse": {"*"},
}

// idle words say nothing of what a state is about.
var idleWords = []string{"state", "step", "task", "lambda", "function", "fn", "handler", "client", "service", "invoke", "call", "the", "a", "an", "for", "of",
	"sns", "sqs", "ddb", "dynamodb", "s", "p", "item", "items", "transaction", "saga", "run", "arn"}

// name is a state's or function's name, taken apart.
type name struct {
	words []string
	nouns []string // the words that say what it is about
	verb  string   // of them the one that undoes something, or ""
	of    []string // the verbs that it undoes
}

func newName(text string) name {
	n := name{words: words(text)}
	n.verb, n.of = n.undoes()
	for i, w := range n.words {
		numbered := i+1 < len(n.words) && unicode.IsDigit(rune(n.words[i+1][0])) // "A 1" is about A
		if w != n.verb && (numbered || !slices.Contains(idleWords, w)) && !slices.Contains(n.nouns, w) {
			n.nouns = append(n.nouns, w)
		}
	}
	return n
}

// undoes is the name's undoing verb, and the verbs that it undoes.
func (n name) undoes() (verb string, of []string) {
	for i, w := range n.words {
		if of := opposites[w]; of != nil {
			return w, of
		}
		if w == "roll" && i+1 < len(n.words) && n.words[i+1] == "back" {
			return w, []string{"*"}
		}
	}
	return "", nil
}

// matches tells how well a name with an undoing verb undoes another one: 0 not
// at all.
func (n name) matches(step name) int {
	if n.verb == "" {
		return 0
	}
	anything := n.of[0] == "*"
	met := ""
	for _, w := range step.words {
		if slices.Contains(n.of, w) {
			met = w
			break
		}
	}
	if met == "" && !anything {
		return 0
	}
	about := step.nouns
	if i := slices.Index(about, met); i >= 0 {
		about = slices.Delete(slices.Clone(about), i, i+1)
	}
	shared := 0
	for _, w := range about {
		if slices.Contains(n.nouns, w) {
			shared++
		}
	}
	switch {
	case slices.Equal(about, n.nouns) && shared > 0:
		return 2 + 2*shared
	case shared > 0:
		return 1 + 2*shared
	case anything || len(n.nouns) > 0 && len(about) > 0:
		return 0 // each is about something else
	}
	return 1
}

// pairUp proposes for each state that undoes something, by its name or its
// function's, the step that fits best.
func (g *guess) pairUp() {
	var steps []*asl.State
	for _, s := range g.program.Order {
		if g.mayBeStep(s) {
			steps = append(steps, s)
		}
	}
	for _, undo := range g.program.Order {
		c := g.calls[undo]
		if c == nil || undo.Scope != nil || c.reads() || c.notifies() || closes(undo.Name) {
			continue
		}
		var best *asl.State
		score := 0
		for _, step := range steps {
			if s := g.score(undo, step); s > score && g.leads(step, undo) {
				best, score = step, s
			}
		}
		if best != nil {
			g.side.Compensates = append(g.side.Compensates, Compensation{undo.Name, []string{best.Name}})
		}
	}
	all := slices.Clone(g.side.Compensates)
	g.side.Compensates = slices.DeleteFunc(g.side.Compensates, func(c Compensation) bool { // nothing is both
		return slices.ContainsFunc(all, func(other Compensation) bool { return other.State == c.Steps[0] })
	})
}

// mayBeStep reports whether a state may be one that another one undoes.
func (g *guess) mayBeStep(s *asl.State) bool {
	if g.calls[s] == nil || s.Scope != nil || !g.forward[g.place[s]] || g.calls[s].reads() {
		return false
	}
	of := g.names[s][0]
	if len(of.words) == 0 {
		return true
	}
	return (of.verb == "" || of.words[0] != of.verb) && !slices.Contains(askingWords, of.words[0])
}

// score tells how well a state undoes another one, by their names.
func (g *guess) score(undo, step *asl.State) int {
	if undo == step {
		return 0
	}
	u, s := g.names[undo], g.names[step]
	best := u[0].matches(s[0])
	if len(u[1].words) > 0 && len(s[1].words) > 0 {
		best = max(best, u[1].matches(s[1]))
	}
	return best
}

// leads reports whether a state can be entered from another one, whatever fails,
// and does not stand in a branch beside it.
func (g *guess) leads(from, to *asl.State) bool {
	if f := from.CommonFlow(to); from.In(f) == to.In(f) {
		return false
	}
	if g.reach[from] == nil {
		g.reach[from] = g.reachable(from, true)
	}
	return g.reach[from][g.place[to]]
}

// reachable marks the states that can be entered from one on, by Catches too
// where failures count.
func (g *guess) reachable(from *asl.State, failures bool) []bool {
	seen := make([]bool, len(g.program.Order))
	seen[g.place[from]] = true
	var waiting []*asl.State
	enter := func(s *asl.State) {
		if s != nil && !seen[g.place[s]] {
			seen[g.place[s]] = true
			waiting = append(waiting, s)
		}
	}
	for s := from; s != nil; {
		next, ends := onwards(s)
		for _, n := range next {
			enter(n)
		}
		for _, f := range s.Within() {
			enter(f.Start)
		}
		for at := s; failures && at != nil; at = at.Flow.Owner { // whatever happens in it, it may fail
			for i := range at.Catch {
				enter(at.Catch[i].Next)
			}
		}
		if ends {
			enter(s.Flow.Owner)
		}
		s = nil
		if len(waiting) > 0 {
			s, waiting = waiting[0], waiting[1:]
		}
	}
	return seen
}

// refuse proposes which edges of Choices say that the step before them did
// nothing: those that lead back, by compensations of earlier steps or straight
// to the end, while another edge leads on to a step.
func (g *guess) refuse() {
	undos := map[string]bool{}
	undo := map[string][]string{} // step → its compensations
	for _, c := range g.side.Compensates {
		undos[c.State] = true
		for _, s := range c.Steps {
			undo[s] = append(undo[s], c.State)
		}
	}
	if len(undos) == 0 {
		return
	}
	for _, s := range g.program.Order {
		if g.calls[s] == nil || s.Next == nil || !g.forward[g.place[s]] || undos[s.Name] || s.Scope != nil || g.calls[s].reads() {
			continue
		}
		at := s.Next
		for i := 0; at.Type == asl.Pass && at.Next != nil && i < len(s.Flow.States); i++ {
			at = at.Next
		}
		if at.Type == asl.Choice {
			g.refuseAt(s, at, undos, undo[s.Name])
		}
	}
}

func (g *guess) refuseAt(step, choice *asl.State, undos map[string]bool, own []string) {
	var back []*asl.State
	on := false
	for _, next := range choices(choice) {
		switch ahead := g.ahead(next, undos); {
		case saysNo(next):
			back = append(back, next)
		case ahead.step:
			on = true
		case ahead.undo && !slices.ContainsFunc(own, func(u string) bool { return ahead.names[u] }) || ahead.fails:
			back = append(back, next)
		default:
			on = true // it ends well
		}
	}
	if !on {
		return
	}
	for _, next := range back {
		f := Refusal{choice.Name, next.Name, step.Name}
		if !slices.Contains(g.side.Refusals, f) {
			g.side.Refusals = append(g.side.Refusals, f)
		}
	}
}

// outlook is what lies ahead of a state when nothing fails.
type outlook struct {
	step  bool // a Task that undoes nothing, before any that does
	undo  bool
	fails bool // nothing but a Fail
	names map[string]bool
}

func (g *guess) ahead(s *asl.State, undos map[string]bool) outlook {
	o := outlook{names: map[string]bool{}}
	seen := map[*asl.State]bool{}
	ended := false
	for waiting := []*asl.State{s}; len(waiting) > 0; waiting = waiting[1:] {
		at := waiting[0]
		if seen[at] {
			continue
		}
		seen[at] = true
		o.names[at.Name] = true
		switch {
		case undos[at.Name]:
			o.undo = true
		case g.calls[at] != nil && !o.undo && !g.calls[at].notifies() && !closes(at.Name) || at.Within() != nil && !o.undo:
			o.step = true
		}
		next, ends := onwards(at)
		ended = ended || ends && at.Type != asl.Fail
		waiting = append(waiting, next...)
	}
	o.fails = !ended && !o.step && !o.undo
	return o
}

// closes reports whether a Task's name says that it only tells of the end.
func closes(text string) bool {
	return slices.ContainsFunc(words(text), func(w string) bool {
		return slices.Contains(failingWords, w) || slices.Contains(endingWords, w)
	})
}

// saysNo reports whether a state's name says that something failed, or the state
// is a Fail.
func saysNo(s *asl.State) bool {
	return s.Type == asl.Fail || slices.ContainsFunc(words(s.Name), func(w string) bool { return slices.Contains(failingWords, w) })
}

// failingWords and endingWords are in the names of what only tells how it ended.
var (
	failingWords = []string{"fail", "failed", "fails", "failure", "error", "rejected", "denied", "unavailable", "unsuccessful"}
	endingWords  = []string{"success", "succeed", "succeeded", "done", "completed", "notify", "notification", "notifications"}
)

// tellingWords begin or stand in the names of what tells somebody something, or
// pays out.
var tellingWords = []string{"notify", "notification", "notifications", "mail", "email", "sms", "announce", "payout"}

// askingWords begin the names of what changes nothing.
var askingWords = []string{"get", "check", "validate", "verify", "query", "list", "describe", "find", "lookup", "calculate", "compute", "fetch", "read", "is",
	"has", "estimate", "preview", "quote"}

// describe proposes which Tasks can't be undone, and which change nothing.
func (g *guess) describe() {
	undos := map[string]bool{}
	steps := map[string]bool{}
	for _, c := range g.side.Compensates {
		undos[c.State] = true
		for _, s := range c.Steps {
			steps[s] = true
		}
	}
	for _, s := range g.program.Order {
		c := g.calls[s]
		if c == nil || undos[s.Name] || steps[s.Name] || c.reads() {
			continue
		}
		of := append(words(s.Name), words(c.function)...)
		first := words(s.Name)
		switch {
		case c.notifies() || closes(s.Name) || slices.ContainsFunc(of, func(w string) bool { return slices.Contains(tellingWords, w) }):
			if g.forward[g.place[s]] {
				g.side.Irrevocable = append(g.side.Irrevocable, s.Name)
			}
		case len(first) > 0 && slices.Contains(askingWords, first[0]):
			g.side.NoEffect = append(g.side.NoEffect, s.Name)
		}
	}
}

// assumeNames tells what was taken from names.
func (p *prover) assumeNames() {
	if len(p.side.NoEffect) > 0 {
		p.report.Assumed = append(p.report.Assumed, "by their names, without an effect: "+listed(p.side.NoEffect, "and"))
	}
	if len(p.side.Irrevocable) > 0 {
		p.report.Assumed = append(p.report.Assumed, "by their names, not to be taken back: "+listed(p.side.Irrevocable, "and"))
	}
}
