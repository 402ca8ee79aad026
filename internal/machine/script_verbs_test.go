package machine

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backstep/backstep/internal/value"
)

// command does one thing to the execution and tells what came of it. A STATE
// may be followed by #n: the frame of index n that stands in it.
//
//	start INPUT              succeed STATE OUTPUT        fail STATE [ERROR [CAUSE]]
//	submit STATE OUTPUT      take STATE [WORKER]         tick DURATION
//	beat STATE               resend STATE                continue
//	stop [ERROR [CAUSE]]     gone ARN                    request STATE
//	told                     stale KIND                  redrive [TOKEN]
//	refuse STATE [ERROR …]   lose STATE [ERROR …]: the call had no effect, or it is not known
//	spoil STATE [ERROR …]: it had its effect, and its answer can't be taken
//
// Of sagas: a STATE may be followed by ":" and an operation, and
//
//	resolve HOLD VERB [OUTCOME] [JSON or RESOURCE]   compensate   log
//	resolve sSAGA abandon    grant STATE             grant ENTRY JOB KEY
//	late JOB OUTPUT          late JOB fail [ERROR [CAUSE]]
//	quarantined retry, quarantined abandon: what a person decides of an execution
//	that can't be decided; "… without N" lacks that frame, "… blind" the program
//
// Of a map run (the setting "run"): start's INPUT is that of the machine that
// starts it, and
//
//	end N,… STATUS [OUTPUT]  child N         update NAME=n …
//	reads                    read PAGE       unread [ERROR [CAUSE]]
//	results [PAGE, …]        wrote [PAGE, …] unwritten [ERROR [CAUSE]]
//	redrive                  unborn
//
// After another definition, which the last one is then: change {"StartAt": STATE,
// "Input": …, "Variables": {…}} redrives by it.
func (s *script) command(line string) string {
	verb, rest, _ := strings.Cut(line, " ")
	if text, ok := s.look(verb, rest); ok {
		return text
	}
	var messages []Message
	for _, of := range []func(verb, rest string) []Message{s.taskVerb, s.lifeVerb, s.sagaVerb, s.runVerb} {
		if messages == nil {
			messages = of(verb, rest)
		}
	}
	if messages == nil {
		s.t.Fatalf("no such verb: %q", verb)
	}
	from := s.x.Head.LastEvent
	var events []Event
	for _, m := range messages {
		events = append(events, s.step(m)...)
	}
	if s.x.Head.LastEvent != from+int64(len(events)) {
		s.t.Errorf("%s: %d events told, but the last has number %d after %d", line, len(events), s.x.Head.LastEvent, from)
	}
	return s.tell(events)
}

// look is a verb that only looks.
func (s *script) look(verb, rest string) (text string, ok bool) {
	switch verb {
	case "child":
		text = s.child(rest)
	case "reads":
		source, cursor, _ := s.x.Reading(s.jobOf(ReadItems))
		text = source.Text().String() + " after " + cursor + "\n"
	case "results":
		text, _ = s.results(rest)
	case "request":
		text = s.request(s.job(rest))
	case "log":
		text = s.sagaLog()
	case "quarantined":
		text = s.tell(s.quarantined(strings.Fields(rest)))
	case "change":
		var c *Changes
		if c, text = s.changes(rest); text == "" {
			text = s.tell(s.step(Message{Kind: Redrive, Changes: c}))
		}
	default:
		return "", false
	}
	return text, true
}

// taskVerb is a message about the open job of a state.
func (s *script) taskVerb(verb, rest string) []Message {
	state, rest, _ := strings.Cut(rest, " ")
	m := Message{}
	switch verb {
	case "succeed":
		m = Message{Kind: JobSucceeded, Output: s.text(rest)}
	case "fail", "refuse", "lose", "spoil":
		effect := map[string]Effect{"fail": EffectNamed, "refuse": EffectNone, "lose": EffectUnknown, "spoil": EffectDone}[verb]
		m = Message{Kind: JobFailed, Failure: failure(rest), Effect: effect}
	case "submit":
		m = Message{Kind: Submitted, Output: s.text(rest)}
	case "take":
		m = Message{Kind: Taken, Worker: rest}
	case "beat":
		m = Message{Kind: Beat}
	case "resend":
		m = Message{Kind: Resent}
	default:
		return nil
	}
	m.Job = s.job(state)
	return []Message{m}
}

// lifeVerb is what happens to an execution as a whole.
func (s *script) lifeVerb(verb, rest string) []Message {
	switch verb {
	case "start":
		if s.isRun {
			return []Message{s.runStart(s.text(rest))}
		}
		return []Message{{Kind: Begin, Output: s.text(rest)}}
	case "stop":
		return []Message{{Kind: Stop, Failure: failure(rest)}}
	case "redrive":
		if s.isRun {
			return []Message{{Kind: Begin, Job: s.x.ParentJob() + 1, Run: &runInput{Redrives: s.x.Head.Redrives + 1}}}
		}
		return []Message{{Kind: Redrive, Token: rest}}
	case "told":
		return s.ofEach(JobSucceeded)
	case "continue":
		return s.ofEach(Continue)
	case "tick":
		d, err := time.ParseDuration(rest)
		if err != nil {
			s.t.Fatal(err)
		}
		s.env.Now += d.Milliseconds()
		return s.ofEach(Fired)
	case "gone":
		s.gone[rest] = true
		return []Message{{Kind: Beat}}
	case "stale":
		all := []Message{{Kind: Begin}}
		for kind := JobSucceeded; kind < Stop; kind++ {
			all = append(all, Message{Kind: kind, Job: 4711})
		}
		return all
	}
	return nil
}

// ofEach is a message about each open job, Continue about those that resume.
func (s *script) ofEach(kind MessageKind) []Message {
	all := []Message{}
	for _, id := range slices.Sorted(maps.Keys(s.x.Jobs)) {
		if kind != Continue || s.x.Jobs[id].Kind == Resume {
			all = append(all, Message{Kind: kind, Job: id})
		}
	}
	return all
}

// sagaVerb is what is said about sagas.
func (s *script) sagaVerb(verb, rest string) []Message {
	target, rest, _ := strings.Cut(rest, " ")
	switch verb {
	case "resolve":
		return []Message{{Kind: Resolve, Resolution: s.resolution(target, rest)}}
	case "compensate":
		return []Message{{Kind: CompensateSagas}}
	case "grant":
		return []Message{s.grant(target, rest)}
	case "late":
		job, err := strconv.Atoi(target)
		if err != nil {
			s.t.Fatal(err)
		}
		if words, failed := strings.CutPrefix(rest, "fail "); failed {
			return []Message{{Kind: Refused, Job: JobID(job), Failure: failure(words)}}
		}
		return []Message{{Kind: Refused, Job: JobID(job), Output: s.text(rest)}}
	}
	return nil
}

// changes are those of a redrive, or why they can't be made.
func (s *script) changes(text string) (c *Changes, refused string) {
	told := s.text(text).Decode()
	c = &Changes{StartAt: told.Get("StartAt").AsString(), Variables: map[string]value.Text{}}
	if input := told.Get("Input"); !input.IsAbsent() {
		c.Input = input.Text()
	}
	if variables := told.Get("Variables"); !variables.IsAbsent() {
		for name, v := range variables.Members() {
			c.Variables[name] = v.Text()
		}
	}
	was := s.p
	if s.was != nil {
		was, c.Definition = s.was, [32]byte{1}
	}
	s.x.LendLog(s.log())
	if why := s.x.Unchangeable(was, s.p, c, s.env.Limits); why != "" {
		s.p = was
		return nil, "refused: " + why + "\n"
	}
	s.was = nil
	return c, ""
}

// grant is the lock's word to the step that waits for it, or what it says of a
// claim that it got late.
func (s *script) grant(target, rest string) Message {
	entry, err := strconv.Atoi(target)
	if err == nil {
		number, key, _ := strings.Cut(rest, " ")
		job, _ := strconv.Atoi(number)
		return Message{Kind: Granted, Output: value.NewString(key).Text(), Claim: &Claim{Execution: s.x.Start.ID, Job: JobID(job), Entry: uint32(entry)}}
	}
	key, c, ok := s.x.ClaimOf(s.job(target))
	if !ok {
		s.t.Fatalf("%s does not wait for a lock", target)
	}
	return Message{Kind: Granted, Output: value.NewString(key).Text(), Claim: &c}
}

// runVerb is what happens to a map run.
func (s *script) runVerb(verb, rest string) []Message {
	switch verb {
	case "end":
		items, rest, _ := strings.Cut(rest, " ")
		status, output, _ := strings.Cut(rest, " ")
		return []Message{{Kind: Answered, Endings: s.endings(items, status, output)}}
	case "unborn": // there is no child to stop
		return []Message{{Kind: JobFailed, Job: s.jobOf(Halt), Failure: &Failure{}}}
	case "read":
		return []Message{{Kind: JobSucceeded, Job: s.jobOf(ReadItems), Output: s.text(rest)}}
	case "unread":
		return []Message{{Kind: JobFailed, Job: s.jobOf(ReadItems), Failure: failure(rest)}}
	case "wrote":
		_, done := s.results(rest)
		return []Message{done}
	case "unwritten":
		return []Message{{Kind: JobFailed, Job: s.jobOf(WriteResults), Failure: failure(rest)}}
	case "update":
		return []Message{{Kind: Updated, Update: s.limits(rest)}}
	}
	return nil
}

// quarantined is what a person decides of the execution where it can't be decided.
func (s *script) quarantined(words []string) []Event {
	s.env.Seed[0]++
	p := s.p
	for i, word := range words[1:] {
		switch word {
		case "without":
			frame, _ := strconv.Atoi(words[i+2])
			delete(s.rows, fmt.Sprintf("f%09d", frame))
			s.x = s.restored()
		case "blind":
			p = nil
		}
	}
	s.x.LendLog(s.log())
	before := snapshot(s.x)
	r := &Resolution{Verb: Retry, Operator: "alice", Reason: "because it is so"}
	d := Delta{}
	if words[0] == "abandon" {
		r.Verb = Abandon
		d = s.x.EndQuarantined(s.env, p, r, "an invariant is broken")
	} else {
		d = s.x.Reconsidered(s.env, r, "an invariant is broken")
	}
	if snapshot(s.x) != before {
		s.t.Error("the execution was changed")
	}
	if d.IsEmpty() {
		return nil
	}
	s.store(d)
	s.x.Apply(d)
	for _, ref := range s.x.Needs() {
		s.x.Payloads[ref] = s.texts[ref]
	}
	if back := s.restored(); snapshot(back) != snapshot(s.x) {
		s.t.Errorf("read back:\n%s\nin memory:\n%s", snapshot(back), snapshot(s.x))
	}
	return d.Events
}

// failure is an error with its cause, as words: what is not there was not given.
func failure(words string) *Failure {
	f := &Failure{}
	name, cause, given := strings.Cut(words, " ")
	if name != "" {
		f.Error = &name
	}
	if given {
		f.Cause = &cause
	}
	return f
}

func (s *script) text(json string) value.Text {
	if rest, ok := strings.CutPrefix(json, "big "); ok {
		n, _ := strconv.Atoi(rest)
		json = `"` + strings.Repeat("x", n-2) + `"`
	}
	if json == "" {
		return value.Text{}
	}
	text, err := value.Check(json)
	if err != nil {
		s.t.Fatal(json, ": ", err)
	}
	return text
}

func (s *script) job(target string) JobID {
	target, operation, _ := strings.Cut(target, ":")
	state, index, indexed := strings.Cut(target, "#")
	for _, id := range slices.Sorted(maps.Keys(s.x.Jobs)) {
		j := s.x.Jobs[id]
		if j.State == state && (operation == "" || j.Operation.String() == operation) && (!indexed || strconv.Itoa(s.x.Frames[j.Frame].Index) == index) {
			return id
		}
	}
	s.t.Fatalf("no job of %q", target)
	return 0
}

func (s *script) request(id JobID) string {
	r, err := s.x.Request(s.env, s.p, id)
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	out := fmt.Sprintf("resource %s\ninput %s\nstep %s\n", r.Resource.Text, r.Input, r.StepID)
	if r.Forward != "" {
		out += fmt.Sprintf("%s of %s\n", r.Operation, r.Forward)
	}
	if r.Token != "" {
		var k Token
		if err := k.Open(r.Token, s.env.TokenKey); err != nil {
			s.t.Error(err)
		}
		out += fmt.Sprintf("token job %d attempt %d\n", k.Job, k.Attempt)
	}
	return out
}
