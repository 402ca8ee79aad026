package engine

// owner is whose errands they are: a state machine's. Machines take turns in each
// lane, and none has more than its share of the calls and of the waiting room.
type owner struct {
	key     ownerKey
	running int      // calls outside
	waiting int      // errands that wait, in all lanes
	behind  int      // of them, those that no budget holds back
	oldest  int64    // about since when the one of these that waits longest does, UTC ms
	held    []*queue // of errands that wait because running is at its most
}

// ownerKey names an owner.
type ownerKey struct{ account, region, machine string }

// dest is where a call goes: to a service ("lambda", "aws-sdk:s3"), and to one
// of those that it leads to (a function, a host); "": it leads to one alone.
type dest struct{ service, target string }

// service is what the lanes of one service share.
type service struct {
	limit
	name string
	ring fifo[*lane] // of its lanes in which errands wait
}

// lane is the errands of one place: those under way, and those that wait.
type lane struct {
	limit
	to      dest
	service *service // nil: its errands call nobody outside
	fresh   line
	again   line // calls that were tried before, which go at the budget's pace
	budget  budget
	moved   int64 // when one last began, UTC ms
	ringed  bool  // in its service's ring
	paced   bool  // waits for a token of its rate, its service's or its budget …
	pacedTo int64 // … until then, UTC ms
}

// isInner reports whether a lane's errands call nobody outside.
func (l *lane) isInner() bool { return l.service == nil }

func (l *lane) waiting() int { return l.fresh.waiting + l.again.waiting }

// lineOf is where an errand of the lane waits.
func (l *lane) lineOf(er *errand) *line {
	if er.again && l.budget.pacing {
		return &l.again
	}
	return &l.fresh
}

// pick takes the errand whose turn it is, nil where none may go. Those tried
// before go first where their budget lets them: it bounds them well enough. Apart
// tells that it is one of these.
func (l *lane) pick(now int64, most int) (er *errand, apart bool) {
	if l.again.waiting > 0 && l.budget.wait(now) <= now {
		if er := l.again.pick(most); er != nil {
			return er, true
		}
	}
	return l.fresh.pick(most), false
}

// wait is when an errand of the lane may go by the rates; now: at once.
func (l *lane) wait(now int64) int64 {
	at := now
	if l.service != nil {
		at = max(l.limit.wait(now), l.service.wait(now))
	}
	if l.fresh.waiting == 0 && l.again.waiting > 0 {
		at = max(at, l.budget.wait(now))
	}
	return at
}

// line is errands that wait, in turn by owner.
type line struct {
	queues  map[*owner]*queue
	ring    fifo[*queue] // of owners that may go
	waiting int
}

// queue is the errands of one owner in one line.
type queue struct {
	lane    *lane
	line    *line
	owner   *owner
	errands fifo[*errand]
}

func (w *line) push(l *lane, er *errand) {
	q := w.queues[er.owner]
	if q == nil {
		q = &queue{lane: l, line: w, owner: er.owner}
		if w.queues == nil {
			w.queues = make(map[*owner]*queue)
		}
		w.queues[er.owner] = q
		w.ring.push(q)
	}
	q.errands.push(er)
	w.waiting++
}

// pick takes the first errand of the owner whose turn it is. Owners that have
// most calls outside are put aside until one of them is back.
func (w *line) pick(most int) *errand {
	for w.ring.len() > 0 {
		q := w.ring.pop()
		if o := q.owner; o != nil && o.running >= most {
			o.held = append(o.held, q)
			continue
		}
		er := q.errands.pop()
		w.waiting--
		if q.errands.len() > 0 {
			w.ring.push(q)
		} else {
			delete(w.queues, q.owner)
		}
		return er
	}
	return nil
}

// fifo is a queue whose memory follows its length.
type fifo[T any] struct {
	all   []T
	first int
}

func (f *fifo[T]) len() int { return len(f.all) - f.first }

func (f *fifo[T]) push(v T) { f.all = append(f.all, v) }

// pop takes the first of a queue that is not empty.
func (f *fifo[T]) pop() T {
	v := f.all[f.first]
	var none T
	f.all[f.first] = none
	f.first++
	if f.first == len(f.all) || f.first > 1024 && f.first > len(f.all)/2 {
		n := copy(f.all, f.all[f.first:])
		clear(f.all[n:])
		f.all, f.first = f.all[:n], 0
	}
	return v
}
