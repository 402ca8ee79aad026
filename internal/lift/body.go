package lift

import (
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// convert makes a Compensate of a compensation, or tells why it can't.
func (l *lifting) convert(p *pair) {
	p.notes, p.whatever, p.readsError, p.body = nil, false, false, value.Value{}
	if p.left = l.unfit(p); p.left != "" {
		return
	}
	done, failed, surely := l.forSteps(p.step, p.undo)
	p.itself = surely
	if done == nil && failed == nil {
		p.left = "nothing leads from it to " + p.undo.Name
		return
	}
	b := &bodyWriter{l: l, p: p, surely: surely, raw: l.texts[p.undo.Name], out: value.NewBuilder(8)}
	b.write(done, failed)
	if p.left == "" {
		p.body = b.out.Object()
		p.whatever = surely && !b.needsResult && l.known[p.step.Name] == nil
	}
}

// unfit tells why a pair can't be converted whatever its data is.
func (l *lifting) unfit(p *pair) string {
	step, undo := p.step, p.undo
	raw := l.texts[undo.Name]
	switch {
	case !l.forward[step]:
		return "it is only entered on the way back itself"
	case slices.ContainsFunc(l.pivots, func(pivot *asl.State) bool {
		return pivot.Flow.Owner == nil && l.steps[pivot] == nil && l.mayPrecede(pivot, step)
	}):
		return "it comes behind the pivot, where nothing is undone: name another pivot, or none"
	case step.Language != undo.Language:
		return "it and " + undo.Name + " are written in two query languages; write both in one"
	case mapAround(step, undo) != nil:
		return "it stands in the Map " + mapAround(step, undo).Name + ", and " + undo.Name + " outside: which item that is for can't be followed; undo an item within the Map"
	case mapAround(undo, step) != nil:
		return undo.Name + " runs for each item of " + mapAround(undo, step).Name + ", and it itself does not; give it a compensation of its own"
	case distributed(step):
		return "it stands in a distributed Map, whose children are sagas of their own: give it its Compensate by hand"
	case undo.Task.Resource.Pattern != asl.RequestResponse || undo.Task.Resource.Kind == asl.Activity:
		if !raw.Has("TimeoutSeconds") && !raw.Has("TimeoutSecondsPath") {
			return undo.Name + " waits for others without a limit, as no undo may: give it TimeoutSeconds"
		}
	}
	return ""
}

// mapAround is a Map around a state, but not around another one; nil: there is none.
func mapAround(s, other *asl.State) *asl.State {
	common := s.CommonFlow(other)
	for f := s.Flow; f != common; f = f.Owner.Flow {
		if f.Owner.Type == asl.Map {
			return f.Owner
		}
	}
	return nil
}

// distributed reports whether a state stands in the processor of a distributed Map.
func distributed(s *asl.State) bool {
	for f := s.Flow; f.Owner != nil; f = f.Owner.Flow {
		if f.Owner.Map != nil && f.Owner.Map.Distributed {
			return true
		}
	}
	return false
}

// bodyWriter writes one Compensate.
type bodyWriter struct {
	l           *lifting
	p           *pair
	raw         value.Value
	out         *value.Builder
	surely      bool // it runs where the step has failed, too
	needsResult bool // it reads the result, and can't do without
}

// write writes the body field by field, in the order of the author's text.
func (b *bodyWriter) write(done, failed *view) {
	query := b.p.undo.Language == asl.JSONata
	for name, v := range b.raw.Members() {
		switch name {
		case "Comment", "Retry":
			b.out.Set(name, v)
		case "Resource":
			b.out.Set(name, v)
			if !b.raw.Has("Arguments") && !b.raw.Has("Parameters") {
				b.request(value.Value{}, done, failed)
			}
		case "Arguments", "Parameters":
			b.request(v, done, failed)
		case "TimeoutSecondsPath", "HeartbeatSecondsPath":
			s := b.seen(done, failed, func(r *reading) *source { return r.path(v.AsString()) })
			if b.tells(s) && s.kind == place {
				b.out.Set(name, value.NewString(pathTo(s)))
			} else {
				b.leave("its " + name + " can't be written as a path of what the step was given or answered")
			}
		case "TimeoutSeconds", "HeartbeatSeconds", "Credentials":
			s := b.seen(done, failed, func(r *reading) *source { return r.value(v) })
			written, ok := value.Value{}, b.tells(s)
			if query {
				written, ok = writeQuery(s)
			} else if ok {
				_, written, ok = writePayload("", s)
			}
			if ok {
				b.out.Set(name, written)
			} else {
				b.leave("its " + name + " can't be written for a Compensate")
			}
		}
	}
	b.defaults()
}

// defaults tells what a Compensate has by itself, and its state had not.
func (b *bodyWriter) defaults() {
	retry, limit := b.raw.Has("Retry"), b.raw.Has("TimeoutSeconds") || b.raw.Has("TimeoutSecondsPath")
	switch {
	case !retry && !limit:
		b.note("It had no Retry and no TimeoutSeconds: an undo has 300 seconds and ten tries by itself, then waits for a person")
	case !retry:
		b.note("It had no Retry: an undo is tried ten times by itself, then waits for a person")
	case !limit:
		b.note("It had no TimeoutSeconds: an undo has 300 seconds by itself")
	}
	if len(b.p.undo.Catch) > 0 {
		b.note("Its own Catch is gone: an undo that fails for good waits for a person")
	}
	if b.needsResult {
		b.note("It reads the result, which is not there where nobody knows whether " + b.p.step.Name + " was done: that waits for a person")
	}
}

// note tells what changes with the pair.
func (b *bodyWriter) note(text string) { b.p.notes = append(b.p.notes, text) }

// leave gives the pair up, for the first reason that is found.
func (b *bodyWriter) leave(why string) {
	if b.p.left == "" {
		b.p.left = b.p.undo.Name + " can't become its Compensate: " + why
	}
}

// tells reports whether a source is known in full, and gives the pair up where it
// is not.
func (b *bodyWriter) tells(s *source) bool {
	why := s.doubt()
	if why != "" {
		if !strings.Contains(why, ";") {
			why += "; let what it needs come from the step's input or result on every way, or say whose answers do not matter, and import again"
		}
		b.leave("it reads " + why)
	}
	return why == ""
}

// seen is what an expression of the compensation is, whichever way led there.
func (b *bodyWriter) seen(done, failed *view, read func(*reading) *source) *source {
	of := func(v *view) *source {
		raw := b.l.texts[b.p.undo.Name]
		r := &reading{house: b.l, state: b.p.undo, data: v.data, vars: v.vars, own: true}
		r.result, r.failure = lose("its own result"), lose("an error of its own")
		if b.p.undo.Language == asl.JSONPath {
			r.data = r.selected(raw.Get("InputPath"), v.data)
		}
		s := read(r)
		b.p.readsError = b.p.readsError || s.reads(failure)
		return s
	}
	switch {
	case failed == nil:
		s := of(done)
		b.needsResult = b.needsResult || s.reads(result)
		return s
	case done == nil:
		return of(failed)
	}
	return b.either(of(done), of(failed))
}

// either is a source by one of two ways: as the step has ended well, or as it has
// failed. Only JSONata can ask which one it was.
func (b *bodyWriter) either(done, failed *source) *source {
	switch {
	case sameSource(done, failed):
		return done
	case done.kind == object && failed.kind == object && sameBase(done, failed) && sameNames(done, failed):
		o := &source{kind: object, base: done.base}
		for _, m := range done.members {
			o.members = append(o.members, member{m.name, b.either(m.of, failed.within(named(m.name)))})
		}
		return o
	case done.kind == list && failed.kind == list && len(done.items) == len(failed.items):
		items := make([]*source, len(done.items))
		for i := range items {
			items[i] = b.either(done.items[i], failed.items[i])
		}
		return listOf(items)
	case done.isLost():
		return done
	case b.surely && b.p.step.Language == asl.JSONata && failed.doubt() == "":
		return formulaOf(asl.JSONata, part{text: "$exists($states.result) ? "}, part{of: done}, part{text: " : "}, part{of: failed})
	case done.reads(result):
		b.needsResult = true
		return done
	case !b.surely:
		return done
	}
	return lose("something else when " + b.p.step.Name + " has failed than when a later state has")
}

func sameNames(a, b *source) bool {
	if len(a.members) != len(b.members) {
		return false
	}
	for _, m := range a.members {
		if b.within(named(m.name)).kind == lost && m.of.kind != lost {
			return false
		}
	}
	return true
}

// request writes what the compensation asks for.
func (b *bodyWriter) request(v value.Value, done, failed *view) {
	whole := v.IsAbsent()
	s := b.seen(done, failed, func(r *reading) *source {
		if whole {
			return r.data
		}
		return r.value(v)
	})
	if !b.tells(s) {
		return
	}
	if b.p.undo.Language == asl.JSONata {
		if written, ok := writeQuery(s); ok {
			b.out.Set("Arguments", written)
			return
		}
		b.leave("what it asks for has no counterpart in JSONata")
		return
	}
	if s.kind == object && s.base == nil || s.kind == constant && s.constant.Kind() == value.Object {
		if _, written, ok := writePayload("", s); ok {
			b.out.Set("Parameters", written)
			return
		}
	} else if b.p.undo.Task.Resource.Kind == asl.LambdaARN && b.invoke(s) {
		return
	}
	b.leave("it is sent all of the state's data, which no Parameters can say; write Parameters with what it needs, and import again")
}

// invoke asks a function by the service's call, whose Payload may be any value:
// the function is sent the same.
func (b *bodyWriter) invoke(s *source) bool {
	name, payload, ok := writePayload("Payload", s)
	if ok {
		b.out.Set("Resource", value.NewString("arn:aws:states:::lambda:invoke"))
		b.out.Set("Parameters", value.NewObject(
			value.Member{Name: "FunctionName", Value: value.NewString(b.p.undo.Task.Resource.Text)},
			value.Member{Name: name, Value: payload}))
		b.note("Its function is called by lambda:invoke, whose Payload can be the whole of something: it is sent the same")
	}
	return ok
}
