package main

import "time"

// database is a line of batches before two sessions, each of which takes all that
// waits into one transaction, up to what was measured.
type database struct {
	world   *world
	waiting []batch
	busy    int // sessions
	away    bool
	missed  []batch       // that came while it was away
	owed    int           // those of them that come of executions in other databases
	since   time.Duration // when the first of these came

	load float64 // the weight of all that was committed
}

type batch struct {
	weight float64
	alone  bool
	from   *database // where the execution lies of which it comes
	done   func()
}

// commit has a batch committed that comes of an execution at a place.
func (d *database) commit(weight float64, from place, done func()) {
	d.take(batch{weight, false, from.database, done})
}

// alone is a commit that nothing is folded into.
func (d *database) alone(done func()) { d.take(batch{1, true, d, done}) }

func (d *database) take(b batch) {
	if d.away {
		d.miss(b)
		return
	}
	d.waiting = append(d.waiting, b)
	d.begin()
}

// begin lets a session that is free take what waits.
func (d *database) begin() {
	for d.busy < sessions && len(d.waiting) > 0 && !d.away {
		n, weight := 0, 0.0
		for n < len(d.waiting) && weight < foldMost() && (n == 0 || !d.waiting[n].alone && !d.waiting[0].alone) {
			weight += d.waiting[n].weight
			n++
		}
		fold := append([]batch(nil), d.waiting[:n]...)
		d.waiting = d.waiting[n:]
		d.busy++
		mean := takes(weight)
		// What a sync takes differs: half of the time does.
		lasts := mean/2 + time.Duration(d.world.chance.ExpFloat64()*float64(mean/2))
		d.world.after(lasts, func() {
			d.busy--
			d.load += weight
			for _, b := range fold {
				b.done()
			}
			d.begin()
		})
	}
}

// leave takes a database away: what is under way ends, nothing more is taken.
func (d *database) leave() {
	d.away = true
	for _, b := range d.waiting {
		d.miss(b)
	}
	d.waiting = nil
}

func (d *database) miss(b batch) {
	d.missed = append(d.missed, b)
	if b.from != d {
		if d.owed == 0 {
			d.since = d.world.now
		}
		d.owed++
	}
}

// comeBack has it work again: each of those whose batch it did not take tries again within
// the longest pause.
func (d *database) comeBack() {
	d.away = false
	for _, b := range d.missed {
		d.world.after(time.Duration(d.world.chance.Int64N(int64(retryMost))), func() { d.take(b) })
	}
	d.missed, d.owed = nil, 0
}
