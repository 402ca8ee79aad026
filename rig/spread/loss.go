package main

import "time"

// loss is what becomes of a load while one of the databases is away.
type loss struct {
	refused float64       // part of the starts while it was away
	ended   float64       // in the second half of that time, as a part of what did in such a time before
	stood   int           // executions that had been under way for a while when it came back
	owed    int           // jobs in other databases that did
	back    time.Duration // from then on until no more is under way than at any time, and a tenth
}

// patience is how long jobs of one state machine wait until its starts are refused, where there
// are many: engine.DefaultLimits, Age.
const (
	patience = time.Minute
	many     = 1000
)

// aWhile is longer than an execution takes as a rule.
const aWhile = time.Second

// lose takes the first database away for a while.
func lose(w *world, what workload, rate float64, lasts time.Duration) loss {
	gone := w.databases[0]
	begun, ended, refused := 0, 0, 0
	open := map[int]time.Duration{} // when those began that have not ended
	w.each(rate, func() bool { return true }, func() {
		at := what.lies(w)
		if at.away || gone.owed > many && w.now > gone.since+patience {
			refused++
			return
		}
		begun++
		number := begun
		open[number] = w.now
		what.runs(w, at, func() {
			ended++
			delete(open, number)
		})
	})

	const samples = 100
	w.until(warm)
	usual, before := 0, ended
	for i := range samples {
		w.until(warm + watch*time.Duration(i+1)/samples)
		usual += begun - ended
	}
	usual /= samples
	pace := float64(ended-before) / watch.Seconds()

	gone.leave()
	from, asked := w.now, begun
	w.until(from + lasts/2)
	before = ended
	w.until(from + lasts)
	l := loss{
		refused: float64(refused) / float64(refused+begun-asked),
		ended:   float64(ended-before) / (lasts / 2).Seconds() / pace,
		owed:    gone.owed,
	}
	for _, began := range open {
		if began < w.now-aWhile {
			l.stood++
		}
	}
	gone.comeBack()
	for begun-ended > usual+usual/10 && l.back < 20*lasts {
		l.back += 100 * time.Millisecond
		w.until(from + lasts + l.back)
	}
	return l
}
