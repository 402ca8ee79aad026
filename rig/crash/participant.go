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

// entry is one request as a participant got it: a line of the ledger, written
// before anything is answered.
type entry struct {
	At        int64  `json:"at"` // UTC milliseconds
	Key       string `json:"key"`
	Operation string `json:"operation"`
	Order     string `json:"order"`
	Amount    int64  `json:"amount"`
	Answer    answer `json:"answer"`
	Mode      mode   `json:"mode,omitzero"`
	First     bool   `json:"first,omitzero"` // the first one that was decided under its key
	Execution string `json:"execution"`
	State     string `json:"state"`
	Attempt   string `json:"attempt,omitzero"`
}

// answer is what a participant decided. The same key gets the same answer.
type answer string

const (
	undecided answer = "undecided" // it failed before it looked at the request
	done      answer = "done"
	nothing   answer = "nothing"  // an undo of what was never done
	declined  answer = "declined" // for good
	refused   answer = "refused"  // it came after its undo
)

// mode is how a participant misbehaves on one request.
type mode string

const (
	prompt         mode = ""
	unavailable    mode = "unavailable"         // 503, and nothing done
	cut            mode = "cut"                 // no answer, and nothing done
	doneUnanswered mode = "done, no answer"     // the connection is cut after it
	doneFailed     mode = "done, then an error" // 503 after it
	slow           mode = "slow"
	hung           mode = "hung" // answers when nobody waits any more
)

// misbehaviour are the modes with their probabilities in percent.
var misbehaviour = []struct {
	mode    mode
	percent int
}{{unavailable, 10}, {cut, 5}, {doneFailed, 5}, {doneUnanswered, 5}, {slow, 5}, {hung, 1}}

const declinedPercent = 10

// participants are the four services. They outlive the server. Each does one
// effect per key, and none for a step whose undo came before it.
type participants struct {
	ledger *book
	chance *chance
	tokens *completer
	calm   atomic.Bool // faults have stopped
	flying atomic.Int64
	calls  atomic.Int64

	mu       sync.Mutex
	answers  map[string]answer // by service and key
	standing map[string]*standing
	server   http.Server
}

// standing is how a service stands to an order.
type standing struct{ done, undone bool }

func newParticipants(ledger string, c *chance, tokens *completer) (*participants, error) {
	b, err := openBook(ledger)
	if err != nil {
		return nil, err
	}
	return &participants{
		ledger: b, chance: c, tokens: tokens, answers: map[string]answer{}, standing: map[string]*standing{},
	}, nil
}

// listen serves the participants, and tells where.
func (p *participants) listen(host string) (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", err
	}
	p.server.Handler = http.HandlerFunc(p.serve)
	go p.server.Serve(l)
	return "http://" + l.Addr().String(), nil
}

func (p *participants) close() { p.server.Close() }

// request is the payload of a call.
type request struct {
	Order     string `json:"order"`
	Amount    int64  `json:"amount"`
	Token     string `json:"token"`
	Operation string `json:"operation"` // to a worker, who gets no headers
	Key       string `json:"key"`
	Execution string `json:"execution"`
}

// serve answers a call as a function does.
func (p *participants) serve(w http.ResponseWriter, r *http.Request) {
	p.flying.Add(1)
	defer p.flying.Add(-1)
	var asked request
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	e := p.perform(entry{
		Key: r.Header.Get("Idempotency-Key"), Operation: strings.TrimPrefix(r.URL.Path, "/"), Order: asked.Order, Amount: asked.Amount,
		Execution: r.Header.Get("Backstep-Execution"), State: r.Header.Get("Backstep-State"), Attempt: r.Header.Get("Backstep-Attempt"),
	})
	if asked.Token != "" && e.Answer != undecided {
		p.tokens.complete(asked.Token, e)
	}
	switch e.Mode {
	case cut, doneUnanswered:
		panic(http.ErrAbortHandler)
	case unavailable, doneFailed:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	text, failed := result(e, "")
	if asked.Token != "" {
		text, failed = `{"accepted":true}`, false // what came of it is told by the token
	}
	if failed {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write([]byte(text))
}

// result is what a caller is told: an output, or an error's text.
func result(e entry, receipt string) (text string, failed bool) {
	switch e.Answer {
	case declined:
		return `{"errorType":"Declined","errorMessage":"` + e.Operation + ` is not possible ` + receipt + `"}`, true
	case refused:
		return `{"errorType":"Refused","errorMessage":"` + e.Operation + ` was undone before ` + receipt + `"}`, true
	}
	return `{"answer":"` + string(e.Answer) + `","receipt":"` + receipt + `"}`, false
}

// perform does what is asked, and takes its time.
func (p *participants) perform(e entry) entry {
	p.calls.Add(1)
	p.chance.sleep(0, 8*time.Millisecond)
	if !p.calm.Load() {
		e.Mode = misbehaveBy(p.chance)
	}
	if e.Mode == unavailable || e.Mode == cut {
		e.Answer = undecided
	} else {
		e.Answer, e.First = p.decide(e)
	}
	e.At = time.Now().UnixMilli()
	p.ledger.write(e)
	switch e.Mode {
	case slow:
		p.chance.sleep(100*time.Millisecond, 900*time.Millisecond)
	case hung:
		time.Sleep((taskSeconds + 1) * time.Second)
	}
	return e
}

// misbehaveBy draws how a participant does one request.
func misbehaveBy(c *chance) mode {
	drawn := c.below(100)
	for _, m := range misbehaviour {
		if drawn -= m.percent; drawn < 0 {
			return m.mode
		}
	}
	return prompt
}

// decide gives the answer of a key, the same each time, and does its effect the
// first time.
func (p *participants) decide(e entry) (a answer, first bool) {
	o, known := operationNamed(e.Operation)
	p.mu.Lock()
	defer p.mu.Unlock()
	key := o.service + " " + e.Key
	if a, known := p.answers[key]; known {
		return a, false
	}
	s := p.standing[o.service+" "+e.Order]
	if s == nil {
		s = new(standing)
		p.standing[o.service+" "+e.Order] = s
	}
	switch {
	case !known:
		a = refused
	case o.undo && s.done:
		s.done, s.undone, a = false, true, done
	case o.undo:
		s.undone, a = true, nothing
	case s.undone:
		a = refused
	case !p.calm.Load() && p.chance.below(100) < declinedPercent:
		a = declined
	default:
		s.done, a = true, done
	}
	p.answers[key] = a
	return a, true
}
