package prove

import (
	"fmt"
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// Sidecar is what a definition does not say of itself: which states undo which,
// and what its tasks do to the world. It stands beside the definition in a file
// of its own, NAME.saga.json. All names are names of states unless told
// otherwise.
type Sidecar struct {
	Comment     string
	Compensates []Compensation      // plain ASL: the pairs
	Pivot       []string            // plain ASL: once it is done, the saga only goes forward
	Irrevocable []string            // Tasks that nothing can undo: notifications, payouts
	NoEffect    []string            // Tasks that change nothing: queries, checks
	KnownFailed map[string][]string // Task → names of errors that mean that it had no effect
	Refusals    []Refusal           // plain ASL: answers that say no
	Decides     []string            // Choices that begin the way back, and let a compensation run whenever its step may have been done
	Settles     []Settling          // Choices that hear what became of a step
	Tells       []Telling           // Choices that hear from branches and items whether one of them failed
	Nested      map[string]string   // ARN or name of a nested state machine → its file
	Accepted    []Acceptance        // findings that somebody takes on
}

// Compensation is a state and the steps that it undoes.
type Compensation struct {
	State string
	Steps []string
}

// Refusal says that a step answered well, and that its answer was no: where the
// Choice goes to Next, the step had no effect.
type Refusal struct{ Choice, Next, Step string }

// Settling says that it is known what a step did, where the Choice goes to Next:
// that it was done, or that it was not.
type Settling struct {
	Choice, Next, Step string
	Done               bool // Outcome is SUCCEEDED, not FAILED
}

// Telling says that a Choice knows what has happened before it: it goes to Next if
// none of the states was entered since it was last made, and elsewhere if one was.
type Telling struct {
	Choice, Next string
	States       []string
}

// Acceptance takes the findings of a rule on, those of one state alone where it
// names one, and of one severity where it says so.
type Acceptance struct {
	Rule, State, Because string
	Severity             Severity
}

// ParseSidecar reads a sidecar. Members that it does not know are refused, as is
// a name given twice. What it says is held against a program by [Prove].
func ParseSidecar(text string) (*Sidecar, error) {
	checked, err := value.Check(text)
	if err != nil {
		return nil, err
	}
	r := reader{}
	s := r.sidecar(checked.Decode())
	if r.err == nil {
		r.err = repeated(checked)
	}
	return s, r.err
}

// repeated refuses a member of the sidecar, or of an object within it, that is
// given twice.
func repeated(t value.Text) error {
	seen := map[string]bool{}
	for name, member := range t.Members() {
		if seen[name] {
			return fmt.Errorf("%q stands twice", name)
		}
		seen[name] = true
		if member.Kind() == value.Object {
			if err := repeated(member); err != nil {
				return err
			}
		}
	}
	return nil
}

// reader reads a sidecar and keeps the first thing that is wrong with it.
type reader struct{ err error }

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *reader) sidecar(v value.Value) *Sidecar {
	s := &Sidecar{}
	r.object(v, "the sidecar", func(name string, m value.Value) bool {
		switch name {
		case "Comment":
			s.Comment = r.text(m, name)
		case "Compensates":
			r.each(m, name, func(state string, m value.Value) {
				s.Compensates = append(s.Compensates, Compensation{state, r.oneOrMore(m, name+"."+state)})
			})
		case "Pivot":
			s.Pivot = r.oneOrMore(m, name)
		case "Irrevocable":
			s.Irrevocable = r.texts(m, name)
		case "NoEffect":
			s.NoEffect = r.texts(m, name)
		case "KnownFailed":
			s.KnownFailed = map[string][]string{}
			r.each(m, name, func(state string, m value.Value) { s.KnownFailed[state] = r.texts(m, name+"."+state) })
		case "Refusals":
			s.Refusals = r.refusals(m)
		case "Decides":
			s.Decides = r.texts(m, name)
		case "Settles":
			s.Settles = r.settles(m)
		case "Tells":
			s.Tells = r.tells(m)
		case "Nested":
			s.Nested = map[string]string{}
			r.each(m, name, func(arn string, m value.Value) { s.Nested[arn] = r.text(m, name+"."+arn) })
		case "Accepted":
			s.Accepted = r.accepted(m)
		default:
			return false
		}
		return true
	})
	return s
}

func (r *reader) refusals(v value.Value) []Refusal {
	var all []Refusal
	r.list(v, "Refusals", func(at string, item value.Value) {
		f := Refusal{}
		r.fields(item, at, map[string]*string{"Choice": &f.Choice, "Next": &f.Next, "Step": &f.Step}, nil)
		all = append(all, f)
	})
	return all
}

func (r *reader) settles(v value.Value) []Settling {
	var all []Settling
	r.list(v, "Settles", func(at string, item value.Value) {
		f, outcome := Settling{}, ""
		r.fields(item, at, map[string]*string{"Choice": &f.Choice, "Next": &f.Next, "Step": &f.Step, "Outcome": &outcome}, nil)
		if r.err == nil && outcome != "SUCCEEDED" && outcome != "FAILED" {
			r.fail("%s: Outcome is \"SUCCEEDED\" or \"FAILED\"", at)
		}
		f.Done = outcome == "SUCCEEDED"
		all = append(all, f)
	})
	return all
}

func (r *reader) tells(v value.Value) []Telling {
	var all []Telling
	r.list(v, "Tells", func(at string, item value.Value) {
		t := Telling{}
		r.object(item, at, func(name string, m value.Value) bool {
			switch name {
			case "Choice":
				t.Choice = r.text(m, at+".Choice")
			case "Next":
				t.Next = r.text(m, at+".Next")
			case "States":
				t.States = r.oneOrMore(m, at+".States")
			default:
				return false
			}
			return true
		})
		if t.Choice == "" || t.Next == "" || len(t.States) == 0 {
			r.fail("%s: Choice, Next and States are required", at)
		}
		all = append(all, t)
	})
	return all
}

func (r *reader) accepted(v value.Value) []Acceptance {
	var all []Acceptance
	r.list(v, "Accepted", func(at string, item value.Value) {
		a := Acceptance{}
		severity := ""
		r.fields(item, at, map[string]*string{"Rule": &a.Rule, "Because": &a.Because}, map[string]*string{"State": &a.State, "Severity": &severity})
		if a.Severity = Severity(severity); r.err == nil && severity != "" && a.Severity != Error && a.Severity != Warning {
			r.fail("%s: Severity is %q or %q", at, Error, Warning)
		}
		if r.err == nil && ruleOf(a.Rule) == nil {
			r.fail("%s: there is no rule %q", at, a.Rule)
		}
		if r.err == nil && strings.TrimSpace(a.Because) == "" {
			r.fail("%s: Because has to say why", at)
		}
		all = append(all, a)
	})
	return all
}

// fields reads an object of texts.
func (r *reader) fields(v value.Value, at string, required, optional map[string]*string) {
	r.object(v, at, func(name string, m value.Value) bool {
		field := required[name]
		if field == nil {
			field = optional[name]
		}
		if field == nil {
			return false
		}
		*field = r.text(m, at+"."+name)
		return true
	})
	for _, name := range []string{"Choice", "Next", "Step", "Outcome", "Rule", "Because"} {
		if field := required[name]; field != nil && *field == "" {
			r.fail("%s: %s is required", at, name)
		}
	}
}

func (r *reader) object(v value.Value, at string, member func(string, value.Value) bool) {
	if v.Kind() != value.Object {
		r.fail("%s must be an object, and is of type %s", at, v.Kind())
		return
	}
	for name, m := range v.Members() {
		if !member(name, m) {
			r.fail("%s has no member %q", at, name)
		}
	}
}

func (r *reader) each(v value.Value, at string, member func(string, value.Value)) {
	r.object(v, at, func(name string, m value.Value) bool {
		member(name, m)
		return true
	})
}

func (r *reader) list(v value.Value, at string, item func(string, value.Value)) {
	if v.Kind() != value.Array {
		r.fail("%s must be an array, and is of type %s", at, v.Kind())
		return
	}
	for i, m := range v.Items() {
		item(fmt.Sprintf("%s[%d]", at, i), m)
	}
}

func (r *reader) text(v value.Value, at string) string {
	if v.Kind() != value.String {
		r.fail("%s must be a text, and is of type %s", at, v.Kind())
	}
	return v.AsString()
}

func (r *reader) texts(v value.Value, at string) []string {
	all := []string{}
	r.list(v, at, func(at string, m value.Value) { all = append(all, r.text(m, at)) })
	return all
}

// oneOrMore reads a text, or an array of them.
func (r *reader) oneOrMore(v value.Value, at string) []string {
	if v.Kind() == value.String {
		return []string{v.AsString()}
	}
	all := r.texts(v, at)
	if len(all) == 0 {
		r.fail("%s names nothing", at)
	}
	return all
}

// Text is the sidecar as a file holds it: a member a line, in a fixed order.
func (s *Sidecar) Text() string {
	var lines []string
	add := func(name string, v value.Value) {
		lines = append(lines, "  "+value.NewString(name).Text().String()+": "+spaced(v))
	}
	if s.Comment != "" {
		add("Comment", value.NewString(s.Comment))
	}
	pairs := value.NewBuilder(len(s.Compensates))
	for _, c := range s.Compensates {
		pairs.Set(c.State, oneOrMore(c.Steps))
	}
	add("Compensates", pairs.Object())
	if len(s.Pivot) > 0 {
		add("Pivot", oneOrMore(s.Pivot))
	}
	for _, list := range []struct {
		name  string
		names []string
	}{{"Irrevocable", s.Irrevocable}, {"NoEffect", s.NoEffect}, {"Decides", s.Decides}} {
		if len(list.names) > 0 {
			add(list.name, array(list.names))
		}
	}
	if len(s.KnownFailed) > 0 {
		known := value.NewBuilder(len(s.KnownFailed))
		for _, state := range sortedKeys(s.KnownFailed) {
			known.Set(state, array(s.KnownFailed[state]))
		}
		add("KnownFailed", known.Object())
	}
	if len(s.Refusals) > 0 {
		var all []value.Value
		for _, f := range s.Refusals {
			all = append(all, object("Choice", f.Choice, "Next", f.Next, "Step", f.Step))
		}
		add("Refusals", value.NewArray(all))
	}
	if len(s.Settles) > 0 {
		var all []value.Value
		for _, f := range s.Settles {
			all = append(all, object("Choice", f.Choice, "Next", f.Next, "Step", f.Step, "Outcome", map[bool]string{true: "SUCCEEDED", false: "FAILED"}[f.Done]))
		}
		add("Settles", value.NewArray(all))
	}
	if len(s.Tells) > 0 {
		var all []value.Value
		for _, t := range s.Tells {
			b := value.NewBuilder(3)
			b.Set("Choice", value.NewString(t.Choice))
			b.Set("Next", value.NewString(t.Next))
			b.Set("States", oneOrMore(t.States))
			all = append(all, b.Object())
		}
		add("Tells", value.NewArray(all))
	}
	if len(s.Nested) > 0 {
		nested := value.NewBuilder(len(s.Nested))
		for _, arn := range sortedKeys(s.Nested) {
			nested.Set(arn, value.NewString(s.Nested[arn]))
		}
		add("Nested", nested.Object())
	}
	if len(s.Accepted) > 0 {
		var all []value.Value
		for _, a := range s.Accepted {
			of := []string{"Rule", a.Rule}
			if a.State != "" {
				of = append(of, "State", a.State)
			}
			if a.Severity != "" {
				of = append(of, "Severity", string(a.Severity))
			}
			all = append(all, object(append(of, "Because", a.Because)...))
		}
		add("Accepted", value.NewArray(all))
	}
	return "{\n" + strings.Join(lines, ",\n") + "\n}\n"
}

// spaced is a member's value as text: what holds several things has a line for
// each.
func spaced(v value.Value) string {
	switch {
	case v.Kind() == value.Object && v.Len() > 0:
		var lines []string
		for name, m := range v.Members() {
			lines = append(lines, "    "+value.NewString(name).Text().String()+": "+m.Text().String())
		}
		return "{\n" + strings.Join(lines, ",\n") + "\n  }"
	case v.Kind() == value.Array && v.Len() > 0 && v.At(0).Kind() == value.Object:
		var lines []string
		for _, m := range v.Items() {
			lines = append(lines, "    "+m.Text().String())
		}
		return "[\n" + strings.Join(lines, ",\n") + "\n  ]"
	}
	return v.Text().String()
}

func oneOrMore(names []string) value.Value {
	if len(names) == 1 {
		return value.NewString(names[0])
	}
	return array(names)
}

func array(names []string) value.Value {
	items := make([]value.Value, len(names))
	for i, name := range names {
		items[i] = value.NewString(name)
	}
	return value.NewArray(items)
}

func object(texts ...string) value.Value {
	b := value.NewBuilder(len(texts) / 2)
	for i := 0; i < len(texts); i += 2 {
		b.Set(texts[i], value.NewString(texts[i+1]))
	}
	return b.Object()
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// check holds the sidecar against a program: that the states are there, and are
// what they are said to be.
func (s *Sidecar) check(p *asl.Program) error {
	c := sidecarCheck{program: p}
	undoes := map[string]bool{}
	for _, pair := range s.Compensates {
		c.task(pair.State, "Compensates")
		undoes[pair.State] = true
		for _, step := range pair.Steps {
			c.task(step, "Compensates."+pair.State)
			if step == pair.State {
				c.fail("Compensates: %q can't undo itself", step)
			}
		}
	}
	for _, pair := range s.Compensates {
		for _, step := range pair.Steps {
			if undoes[step] {
				c.fail("Compensates: %q is a step and undoes another one, too", step)
			}
		}
	}
	for _, name := range s.Pivot {
		c.pivot(name)
	}
	for _, name := range s.Irrevocable {
		c.task(name, "Irrevocable")
	}
	for _, name := range s.NoEffect {
		c.task(name, "NoEffect")
		if undoes[name] {
			c.fail("NoEffect: %q undoes a step, and so has an effect", name)
		}
	}
	for _, name := range sortedKeys(s.KnownFailed) {
		c.plain(name, "KnownFailed", "KnownFailed")
	}
	for _, f := range s.Refusals {
		c.refusal(f)
	}
	for _, name := range s.Decides {
		if state := c.state(name, "Decides"); state != nil && state.Type != asl.Choice {
			c.fail("Decides: %q is a %s, not a Choice", name, state.Type)
		}
	}
	for _, f := range s.Settles {
		c.leads(f.Choice, f.Next, "Settles")
		c.task(f.Step, "Settles")
	}
	for _, t := range s.Tells {
		c.leads(t.Choice, t.Next, "Tells")
		for _, name := range t.States {
			c.state(name, "Tells")
		}
	}
	for _, a := range s.Accepted {
		if a.State != "" {
			c.state(a.State, "Accepted")
		}
	}
	return c.err
}

// sidecarCheck keeps the first thing that does not fit.
type sidecarCheck struct {
	program *asl.Program
	err     error
}

func (c *sidecarCheck) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

func (c *sidecarCheck) state(name, at string) *asl.State {
	s := c.program.States[name]
	if s == nil {
		c.fail("%s: the definition has no state %q", at, name)
	}
	return s
}

func (c *sidecarCheck) task(name, at string) *asl.State {
	s := c.state(name, at)
	if s != nil && s.Type != asl.Task {
		c.fail("%s: %q is a %s, not a Task", at, name, s.Type)
		return nil
	}
	return s
}

// plain is a Task outside any saga scope: within one the definition itself says
// such things.
func (c *sidecarCheck) plain(name, at, field string) *asl.State {
	s := c.task(name, at)
	if s != nil && s.Scope != nil {
		c.fail("%s: %q stands in a saga scope; give it %s itself", at, name, field)
	}
	return s
}

func (c *sidecarCheck) pivot(name string) {
	s := c.plain(name, "Pivot", `"Pivot": true`)
	if s == nil {
		return
	}
	for f := s.Flow; f.Owner != nil; f = f.Owner.Flow {
		if o := f.Owner; o.Type == asl.Parallel && len(o.Parallel.Branches) == 1 {
			continue
		}
		c.fail("Pivot: %q stands beneath %q, whose other branches or items may still go back; put the pivot after it", name, f.Owner.Name)
	}
}

func (c *sidecarCheck) refusal(f Refusal) {
	c.leads(f.Choice, f.Next, "Refusals")
	c.task(f.Step, "Refusals")
}

// leads checks that a Choice leads to a state.
func (c *sidecarCheck) leads(choice, next, at string) {
	from, to := c.state(choice, at), c.state(next, at)
	if from != nil && to != nil && (from.Type != asl.Choice || !slices.Contains(choices(from), to)) {
		c.fail("%s: %q is no Choice that leads to %q", at, choice, next)
	}
}

// choices are the states that a Choice leads to, in the order of the text.
func choices(s *asl.State) []*asl.State {
	var all []*asl.State
	for i := range s.Choice.Rules {
		all = append(all, s.Choice.Rules[i].Next)
	}
	if s.Choice.Default != nil {
		all = append(all, s.Choice.Default)
	}
	return all
}
