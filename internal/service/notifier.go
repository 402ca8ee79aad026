package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/notify"
	"github.com/backstep/backstep/internal/store"
)

// Notifier tells people by one way that sagas wait for them: at once of the first
// hold of a state machine by an error, of those that follow together. What is to
// be told stands in the store from the commit that opens a hold until it was
// told; so it is told at least once, whatever dies in between.
type Notifier struct {
	config NotifierConfig
	after  *store.IndexKey       // how far the list was read; nil: from its beginning
	known  map[noticeRow]concern // rows that were looked at, whose concern is not due yet
	turns  map[concern]*turn     // by what people were told of before

	told, failed atomic.Int64
	failing      bool // to deliver; the log was told
	blind        bool // something can't be read; the log was told
	passed       bool // some rows of this round are another node's, or nobody's yet
}

// NotifierConfig is what a notifier is given.
type NotifierConfig struct {
	Service *Service
	Name    string         // of engine.Config's Notices: whose list it works off
	Channel notify.Channel // nil: nobody is told, and what stands in the list goes
	Every   time.Duration  // at most one message in that time about one concern
	Link    string         // of a page where people can go on, or ""
	Log     *slog.Logger   // nil: discards
}

// noticeRow is a row of a notifier's list.
type noticeRow struct {
	id    store.ID
	start int64
}

// concern is what one message is about.
type concern struct{ machine, error string }

// turn is when people may be told of a concern again.
type turn struct {
	next  time.Time
	tries int // that have failed since it last went well
}

// The bounds of a notifier, and how long it rests.
const (
	noticePage  = 500
	noticeRows  = 20_000 // looked at in one round
	noticeFirst = 5      // holds that a message tells of one by one
	noticeMarks = 16     // rows that are taken away at once
	noticeRest  = 2 * time.Second
	leastPause  = time.Second // after a message that could not be delivered
	mostPause   = 5 * time.Minute
)

// NewNotifier makes a notifier. [Notifier.Run] must be called.
func NewNotifier(c NotifierConfig) *Notifier {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Notifier{config: c, known: make(map[noticeRow]concern), turns: make(map[concern]*turn)}
}

// Told counts the messages that were delivered, Failed the tries that were not.
func (n *Notifier) Told() int64 { return n.told.Load() }

// Failed counts the tries to deliver a message that did not go well.
func (n *Notifier) Failed() int64 { return n.failed.Load() }

// Run tells people until ctx ends. One without a channel ends by itself.
func (n *Notifier) Run(ctx context.Context) {
	for {
		more := false
		err := contained(func() (err error) {
			more, err = n.round(ctx)
			return err
		})
		if err != nil && !n.blind && ctx.Err() == nil {
			n.config.Log.Error("holds that people are to be told of can't be read", "channel", n.config.Name, "cause", err)
		}
		n.blind = err != nil
		rest := noticeRest
		if more && err == nil {
			rest = 0
		} else if n.config.Channel == nil && err == nil && !n.passed {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(rest):
		}
	}
}

// bundle is what one message is about to tell.
type bundle struct {
	arn   string // of the state machine
	count int
	first []notify.Hold
	id    [sha256.Size]byte // of all of them
	rows  []noted
}

// noted is a row with the holds that a message tells of.
type noted struct {
	row  store.IndexKey
	upTo uint32
}

// round reads on in the list and tells of what is due. It reports whether there is
// more to read at once. What can't be read holds back nothing else.
func (n *Notifier) round(ctx context.Context) (more bool, err error) {
	s := n.config.Service
	n.passed = n.passed && n.after != nil
	due := map[concern]*bundle{}
	seen := make(map[noticeRow]concern, len(n.known))
	for looked := 0; looked < noticeRows; looked += noticePage {
		q := store.IndexQuery{Tenant: s.tenant, Index: engine.IndexNotices, Value: n.config.Name, After: n.after, Limit: noticePage}
		rows, unread := s.Store.Index(ctx, q)
		if unread != nil {
			return false, unread
		}
		for _, row := range rows {
			if unread := n.look(ctx, row.IndexKey, due, seen); unread != nil {
				err = fmt.Errorf("execution %s: %w", row.ID, unread)
			}
		}
		if more = len(rows) == noticePage; !more {
			n.after = nil
			break
		}
		n.after = &rows[noticePage-1].IndexKey
	}
	n.known = seen
	n.forgetTurns()
	for of, b := range due {
		n.tell(ctx, of, b)
	}
	return more, err
}

// look adds what a row stands for to what is due, and takes the row away where
// nothing waits any more, or nobody is to be told.
func (n *Notifier) look(ctx context.Context, key store.IndexKey, due map[concern]*bundle, seen map[noticeRow]concern) error {
	s, row := n.config.Service, noticeRow{key.ID, key.Start}
	if !s.Engine.Owns(key.ID) {
		n.passed = true
		return nil
	}
	if of, known := n.known[row]; known && !n.isDue(of) {
		seen[row] = of
		return nil
	}
	if n.config.Channel == nil {
		return n.drop(ctx, noted{key, math.MaxUint32})
	}
	x, err := s.Engine.Holding(ctx, key.ID)
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return n.drop(ctx, noted{key, math.MaxUint32})
	case err != nil:
		return err
	}
	of, holds, upTo, err := n.waiting(ctx, &sagas{Saga: x, id: key.ID}, key.Start)
	if err != nil {
		return err
	}
	if len(holds) == 0 {
		return n.drop(ctx, noted{key, x.Head.Holds})
	}
	seen[row] = of
	if !n.isDue(of) {
		return nil
	}
	b := due[of]
	if b == nil {
		b = &bundle{arn: api.ARN{Partition: "aws", Region: s.Region, Account: s.Account, Kind: api.KindStateMachine, Machine: of.machine}.String()}
		due[of] = b
	}
	b.add(holds, noted{key, upTo})
	return nil
}

// waiting are the holds that an execution has opened at that time and that are
// open still, what they are about (the first one's error, if they differ), and the
// greatest of their numbers.
func (n *Notifier) waiting(ctx context.Context, x *sagas, at int64) (of concern, holds []notify.Hold, upTo uint32, err error) {
	of.machine, _, _ = strings.Cut(x.Start.Machine, "/")
	for _, f := range x.held() {
		if f.Hold.Since != at {
			continue
		}
		h, err := n.worded(ctx, x, f)
		if err != nil {
			return of, nil, 0, err
		}
		if len(holds) == 0 {
			of.error = h.Error
		}
		holds, upTo = append(holds, h), f.Hold.Number
	}
	if len(holds) == 0 && x.Quarantined != "" {
		h := notify.Hold{Number: quarantinedID, Operation: quarantinedID, Error: quarantinedID, Cause: x.Quarantined, Since: time.UnixMilli(at)}
		n.address(&h, x)
		of.error, holds = quarantinedID, append(holds, h)
	}
	return of, holds, upTo, nil
}

// worded is a hold as people are told it.
func (n *Notifier) worded(ctx context.Context, x *sagas, f *machine.Frame) (notify.Hold, error) {
	h := notify.Hold{
		Number: fmt.Sprint(f.Hold.Number), Operation: f.Hold.Operation.String(), State: f.State, Error: textOf(f.Hold.Fault.Error),
		Cause: textOf(f.Hold.Fault.Cause), Since: time.UnixMilli(f.Hold.Since),
	}
	if f.Hold.Operation != machine.Forward {
		rows, err := n.config.Service.Store.Undos(ctx, x.id, f.Hold.Row, 1)
		if err != nil || len(rows) == 0 {
			return h, err
		}
		u, err := machine.Decode[machine.Undo](rows[0].Body)
		if err != nil {
			return h, err
		}
		h.State = u.State
	}
	h.Runbook = textOf(x.runbook(h.State))
	n.address(&h, x)
	return h, nil
}

// address says which execution a hold is of, and where people find it.
func (n *Notifier) address(h *notify.Hold, x *sagas) {
	h.Execution = x.Start.ExecutionARN()
	h.Name = x.Start.Machine + ":" + x.Start.Name
	if n.config.Link != "" {
		h.Link = strings.TrimSuffix(n.config.Link, "/") + "/executions/" + url.PathEscape(h.Execution)
	}
}

// add adds the holds of a row.
func (b *bundle) add(holds []notify.Hold, of noted) {
	b.count += len(holds)
	b.first = append(b.first, holds[:min(len(holds), noticeFirst-len(b.first))]...)
	for i := range holds {
		sum := sha256.Sum256([]byte(holds[i].Execution + " " + holds[i].Number))
		for j := range b.id {
			b.id[j] ^= sum[j] // in any order
		}
	}
	b.rows = append(b.rows, of)
}

// isDue reports whether people may be told of a concern now.
func (n *Notifier) isDue(of concern) bool {
	t := n.turns[of]
	return t == nil || !n.config.Service.Now().Before(t.next)
}

// forgetTurns lets go of what nobody waits for.
func (n *Notifier) forgetTurns() {
	waiting := make(map[concern]bool, len(n.turns))
	for _, of := range n.known {
		waiting[of] = true
	}
	for of := range n.turns {
		if n.isDue(of) && !waiting[of] {
			delete(n.turns, of)
		}
	}
}

// tell sends one message, and notes that it was sent.
func (n *Notifier) tell(ctx context.Context, of concern, b *bundle) {
	now := n.config.Service.Now()
	err := n.config.Channel.Tell(ctx, &notify.Notice{
		ID: hex.EncodeToString(b.id[:16]), At: now, Machine: of.machine, ARN: b.arn, Error: of.error, Count: b.count, First: b.first,
		Link: n.link(of), Command: command(of),
	})
	t := n.turns[of]
	if t == nil {
		t = &turn{}
		n.turns[of] = t
	}
	if err != nil {
		n.failed.Add(1)
		t.next = now.Add(min(mostPause, leastPause<<min(t.tries, 16)))
		t.tries++
		if !n.failing && ctx.Err() == nil {
			n.failing = true
			n.config.Log.Error("people can't be told that sagas wait for them; it is tried again", "channel", n.config.Name, "machine", of.machine, "cause", err)
		}
		return
	}
	n.told.Add(1)
	t.tries, t.next = 0, now.Add(n.config.Every)
	if n.failing {
		n.failing = false
		n.config.Log.Info("people are told again that sagas wait for them", "channel", n.config.Name)
	}
	n.mark(ctx, b.rows)
}

// mark takes rows away that people were told of. What can't be taken away is told
// again.
func (n *Notifier) mark(ctx context.Context, rows []noted) {
	var workers sync.WaitGroup
	todo := make(chan noted)
	for range min(noticeMarks, len(rows)) {
		workers.Go(func() {
			for one := range todo {
				if err := n.drop(ctx, one); err != nil && ctx.Err() == nil {
					n.config.Log.Warn("people will be told of a hold again", "execution", one.row.ID.String(), "cause", err)
				}
			}
		})
	}
	for _, one := range rows {
		todo <- one
	}
	close(todo)
	workers.Wait()
}

func (n *Notifier) drop(ctx context.Context, one noted) error {
	err := contained(func() error { return n.config.Service.Engine.Noticed(ctx, one.row, one.upTo) })
	if errors.Is(err, engine.ErrNotReady) { // it is another node's by now
		return nil
	}
	return err
}

// link is where people find the holds of a concern, or "".
func (n *Notifier) link(of concern) string {
	if n.config.Link == "" {
		return ""
	}
	return strings.TrimSuffix(n.config.Link, "/") + "/holds?" + url.Values{"machine": {of.machine}, "error": {of.error}}.Encode()
}

// command is what lists the holds of a concern.
func command(of concern) string {
	words := []string{"backstep", "hold", "list", of.machine}
	if of.error != "" && of.error != quarantinedID {
		words = append(words, "--error", quoted(of.error))
	}
	return strings.Join(words, " ")
}

// quoted is a word as a shell takes it.
func quoted(word string) string {
	if strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:/") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
