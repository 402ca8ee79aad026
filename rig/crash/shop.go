package main

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// deed is one request as the shop got it, or what an operator did there by hand:
// a line of the ledger, written before anything is answered.
type deed struct {
	At        int64  `json:"at"` // UTC milliseconds
	Key       string `json:"key,omitzero"`
	Step      string `json:"step"` // the step id
	Operation string `json:"operation"`
	Function  string `json:"function"`
	Order     string `json:"order"`
	Amount    int64  `json:"amount"`
	Execution string `json:"execution"`
	State     string `json:"state"`
	Answer    answer `json:"answer"`
	Mode      mode   `json:"mode,omitzero"`
	Effect    bool   `json:"effect,omitzero"` // something was done, undone or confirmed, now
	ByHand    bool   `json:"byHand,omitzero"`
}

// What the shop answers beside what the participants do.
const (
	stuck       answer = "stuck"
	asSucceeded answer = "SUCCEEDED"
	asFailed    answer = "FAILED"
	asUnknown   answer = "UNKNOWN"
)

// The shop's own trouble, in percent of the steps.
const (
	stuckPercent   = 8
	declinedAtShop = 6
)

// shop is the participants of the sagas in the extension. It outlives the server.
// It keeps the promises of package participant: of a step one effect at most, one
// undo and one confirmation, whatever the keys; an undo of what was never done does
// nothing; a forward call that comes after its undo, or after it was told to have
// failed, is refused.
type shop struct {
	ledger *book
	chance *chance
	calm   atomic.Bool
	flying atomic.Int64
	calls  atomic.Int64
	server http.Server

	mu    sync.Mutex
	steps map[string]*shelf // by step id
}

// shelf is what the shop knows of a step.
type shelf struct {
	done, undone, confirmed, failed bool
	declined                        map[string]bool // keys
	drawn, stuck                    bool            // its undo or confirmation waits for somebody
}

func newShop(ledger string, c *chance) (*shop, error) {
	b, err := openBook(ledger)
	if err != nil {
		return nil, err
	}
	return &shop{ledger: b, chance: c, steps: map[string]*shelf{}}, nil
}

// listen serves the shop, and tells where.
func (s *shop) listen(host string) (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", err
	}
	s.server.Handler = http.HandlerFunc(s.serve)
	go s.server.Serve(l)
	return "http://" + l.Addr().String(), nil
}

func (s *shop) close() { s.server.Close() }

// stepOf is the step id that a key begins with.
func stepOf(key string) string {
	if end := strings.IndexAny(key, ":~"); end >= 0 {
		return key[:end]
	}
	return key
}

// serve answers a call as a function does.
func (s *shop) serve(w http.ResponseWriter, r *http.Request) {
	s.flying.Add(1)
	defer s.flying.Add(-1)
	s.calls.Add(1)
	var asked request
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	get := r.Header.Get
	d := deed{Key: get("Idempotency-Key"), Operation: get("Backstep-Operation"), Function: strings.TrimPrefix(r.URL.Path, "/"), Order: asked.Order,
		Amount: asked.Amount, Execution: get("Backstep-Execution"), State: get("Backstep-State")}
	d.Step = stepOf(d.Key)
	if d.Key == "" {
		d.Step = stepOf(get("Backstep-Forward-Key"))
	}
	s.chance.sleep(0, 8*time.Millisecond)
	if !s.calm.Load() {
		d.Mode = misbehaveBy(s.chance)
	}
	s.do(&d)
	switch d.Mode {
	case slow:
		s.chance.sleep(100*time.Millisecond, 900*time.Millisecond)
	case hung:
		time.Sleep((taskSeconds + 1) * time.Second)
	case cut, doneUnanswered:
		panic(http.ErrAbortHandler)
	case unavailable, doneFailed:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	text, failed := d.told()
	if failed {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write([]byte(text))
}

// told is what the caller hears.
func (d *deed) told() (text string, failed bool) {
	name := map[answer]string{declined: "Declined", refused: "Refused", stuck: stuckError}[d.Answer]
	switch {
	case name != "":
		return `{"errorType":"` + name + `","errorMessage":"` + d.Function + `"}`, true
	case d.Operation == "query":
		return `{"Outcome":"` + string(d.Answer) + `","Output":{"answer":"done"}}`, false
	}
	return `{"answer":"` + string(d.Answer) + `"}`, false
}

// do decides a deed, and writes it down before anybody hears of it.
func (s *shop) do(d *deed) {
	if d.Mode == unavailable || d.Mode == cut {
		d.Answer, d.At = undecided, time.Now().UnixMilli()
		s.ledger.write(d)
		return
	}
	s.mu.Lock()
	of := s.steps[d.Step]
	if of == nil {
		of = &shelf{declined: map[string]bool{}}
		s.steps[d.Step] = of
	}
	s.decide(d, of)
	d.At = time.Now().UnixMilli()
	s.mu.Unlock()
	s.ledger.write(d)
}

func (s *shop) decide(d *deed, of *shelf) {
	d.Answer = done
	switch d.Operation {
	case "forward":
		switch {
		case of.undone || of.failed:
			d.Answer = refused
		case of.done:
		case of.declined[d.Key] || !d.ByHand && !s.calm.Load() && s.chance.percent(declinedAtShop):
			of.declined[d.Key], d.Answer = true, declined
		default:
			of.done, d.Effect = true, true
		}
	case "compensate":
		switch {
		case of.undone:
		case !of.done:
			of.undone, d.Answer = true, nothing
		case s.isStuck(d, of):
			d.Answer = stuck
		default:
			of.undone, d.Effect = true, true
		}
	case "confirm":
		switch {
		case of.confirmed:
		case of.undone || !of.done:
			d.Answer = refused
		case s.isStuck(d, of):
			d.Answer = stuck
		default:
			of.confirmed, d.Effect = true, true
		}
	case "query":
		switch {
		case of.done && of.undone:
			d.Answer = asUnknown
		case of.done:
			d.Answer = asSucceeded
		default:
			of.failed, d.Answer = true, asFailed
		}
	}
}

// isStuck reports whether an undo or a confirmation waits for somebody, which is
// drawn once for each step. By hand it never does.
func (s *shop) isStuck(d *deed, of *shelf) bool {
	if !of.drawn {
		of.drawn, of.stuck = true, s.chance.percent(stuckPercent)
	}
	return of.stuck && !d.ByHand && !strings.HasPrefix(d.Function, byHandPrefix)
}

// mend sees to what a step's undo or confirmation waits for.
func (s *shop) mend(step string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of := s.steps[step]; of != nil {
		of.stuck = false
	}
}

// byHand does an operation at the shop's counter, and gives the answer.
func (s *shop) byHand(step, operation, execution, state string) answer {
	d := deed{Step: step, Key: step, Operation: operation, Function: "counter", Execution: execution, State: state, ByHand: true}
	s.do(&d)
	return d.Answer
}
