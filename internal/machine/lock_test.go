package machine

import (
	"fmt"
	"strings"
	"testing"
)

// lockTest is a semantic lock, and those who want it.
type lockTest struct {
	t   *testing.T
	env Env
	x   *Execution
}

func newLock(t *testing.T) *lockTest {
	of := Start{Account: "123456789012", Region: "us-east-1"}
	return &lockTest{t: t, env: Env{Now: scriptStart}, x: New(of.LockOf(ID{9}, "sku-1"))}
}

// tell gives the lock a message, and says whether that changed anything.
func (l *lockTest) tell(m Message) bool {
	d := Step(l.env, nil, l.x, m)
	l.x.Apply(d)
	return !d.IsEmpty()
}

func (l *lockTest) claim(c Claim) bool   { return l.tell(Message{Kind: Claimed, Claim: &c}) }
func (l *lockTest) unclaim(c Claim) bool { return l.tell(Message{Kind: Unclaimed, Claim: &c}) }

// told has all be told that are to be.
func (l *lockTest) told() {
	for id, j := range l.x.Jobs {
		if j.Kind != GrantLock {
			l.t.Errorf("a lock has a job of kind %d", j.Kind)
		}
		l.tell(Message{Kind: JobSucceeded, Job: id})
	}
}

// String is who claims it in their order, those that hold it in capitals, with !
// where they are not told of it yet.
func (l *lockTest) String() string {
	var all []string
	for id := FrameID(0); id <= l.x.Head.LastFrame; id++ {
		f := l.x.Frames[id]
		if f == nil || f.Claim == nil {
			continue
		}
		name := fmt.Sprintf("%c%d", 'a'+f.Claim.Execution[0], f.Claim.Entry)
		if f.Claim.Granted {
			name = strings.ToUpper(name)
		}
		for _, j := range l.x.Jobs {
			if j.Frame == id {
				name += "!"
			}
		}
		all = append(all, name)
	}
	return strings.Join(all, " ")
}

// One saga holds a lock, as often as it likes; the others get it in the order in
// which they came, and nobody is there when nobody wants it.
func TestLock(t *testing.T) {
	l := newLock(t)
	claim := func(who byte, job JobID, entry uint32) Claim {
		return Claim{Execution: ID{who}, Job: job, Saga: 1, Entry: entry}
	}
	a1, a2, b1, c1, c2 := claim(0, 1, 1), claim(0, 2, 2), claim(1, 1, 1), claim(2, 1, 1), claim(2, 2, 2)
	for i, step := range []struct {
		do      func() bool
		changed bool
		want    string
	}{
		{func() bool { return l.claim(a1) }, true, "A1!"},
		{func() bool { return l.claim(a1) }, false, "A1!"}, // it came before
		{func() bool { return l.claim(b1) }, true, "A1! b1"},
		{func() bool { return l.claim(c1) }, true, "A1! b1 c1"},
		{func() bool { return l.claim(a2) }, true, "A1! b1 c1 A2!"}, // its saga has it
		{func() bool { l.told(); return true }, true, "A1 b1 c1 A2"},
		{func() bool { return l.claim(claim(0, 7, 1)) }, true, "A1! b1 c1 A2"},                        // its step is tried on, and is told anew
		{func() bool { return l.unclaim(a1) }, false, "A1! b1 c1 A2"},                                 // that was of the earlier try
		{func() bool { return l.unclaim(claim(0, 7, 1)) }, true, "b1 c1 A2"},                          // its other step has it
		{func() bool { return l.claim(c2) }, true, "b1 c1 A2 c2"},                                     //
		{func() bool { return l.unclaim(b1) }, true, "c1 A2 c2"},                                      // who waited goes away
		{func() bool { return l.unclaim(b1) }, false, "c1 A2 c2"},                                     //
		{func() bool { return l.unclaim(a2) }, true, "C1! C2!"},                                       // all steps of the next saga have it
		{func() bool { return l.tell(Message{Kind: JobSucceeded, Job: 4711}) }, false, "C1! C2!"},     //
		{func() bool { l.told(); return true }, true, "C1 C2"},                                        //
		{func() bool { return l.unclaim(c1) && l.unclaim(c2) }, true, ""},                             //
		{func() bool { return l.unclaim(c2) }, false, ""},                                             // nobody has it any more
		{func() bool { return l.claim(claim(1, 9, 4)) && l.x.Head.Status == Running }, true, "B4!"},   // it is there again
		{func() bool { l.told(); return l.unclaim(claim(1, 9, 4)) }, true, ""},                        //
		{func() bool { return l.claim(claim(1, 10, 4)) && l.unclaim(claim(1, 10, 4)) }, true, ""},     // … before it was told
		{func() bool { return l.x.Head.Status == Succeeded && len(l.x.Jobs) == 0 }, true, ""},         //
		{func() bool { return l.unclaim(claim(5, 1, 1)) || l.tell(Message{Kind: Begin}) }, false, ""}, //
	} {
		if changed := step.do(); changed != step.changed || l.String() != step.want {
			t.Fatalf("step %d: changed %v, it is %q, want %v, %q", i+1, changed, l, step.changed, step.want)
		}
	}
}
