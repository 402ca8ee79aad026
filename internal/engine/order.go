package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// What can't be decided about by the rows alone is asked of the owner: an order
// lies in its inbox, and its reply is a document that who asked waits for. Where
// the order changes something, its reply is in the same commit: it is carried out
// once. One that nobody waits for any more is not carried out.

// order is what a caller wants of an execution. Which fields count is up to What.
type order struct {
	Version int    `json:"v"`
	What    string `json:"what"`
	Reply   string `json:"reply"` // the name of the reply
	Until   int64  `json:"until"` // by the store's clock, UTC ms: nobody waits any longer

	Job        uint32              `json:"job,omitempty"`
	Token      string              `json:"token,omitempty"`
	Parent     *machine.ID         `json:"parent,omitempty"`
	Made       int64               `json:"made,omitempty"`
	Failure    *machine.Failure    `json:"failure,omitempty"`
	Resolution *machine.Resolution `json:"resolution,omitempty"`
	Changes    *machine.Changes    `json:"changes,omitempty"`
	Update     *machine.Update     `json:"update,omitempty"`
	Texts      map[string]string   `json:"texts,omitempty"` // of Resolution or Changes: what they hold of the language
}

// orderVersion is that of orders and replies.
const orderVersion = 1

// What an order may ask for.
const (
	orderStop       = "stop"
	orderCompensate = "compensate"
	orderResolve    = "resolve"
	orderRedrive    = "redrive"
	orderReconsider = "reconsider"
	orderAbandon    = "abandon"
	orderUpdate     = "update"
	orderHalt       = "halt"
	orderFollow     = "follow"
	orderUnwind     = "unwind"
)

// reply is what came of an order.
type reply struct {
	Version int       `json:"v"`
	Refusal string    `json:"refusal,omitempty"` // of refusals
	Reason  string    `json:"reason,omitempty"`
	Yes     bool      `json:"yes,omitempty"`
	At      int64     `json:"at,omitempty"`
	Status  uint8     `json:"status,omitempty"`
	States  []Resumed `json:"states,omitempty"`
}

// refusals are the errors that a reply can name.
var refusals = map[string]error{
	"busy": ErrBusy, "not found": ErrNotFound, "quarantined": ErrQuarantined, "unwinding": errUnwinding,
}

// refusing puts an error into a reply. False: it is none that says something for good.
func (r *reply) refusing(err error) bool {
	var saga *SagaError
	var redrive *NotRedrivableError
	switch {
	case err == nil:
		return true
	case errors.As(err, &saga):
		r.Refusal, r.Reason = "saga", saga.Reason
		return true
	case errors.As(err, &redrive):
		r.Refusal, r.Reason = "redrive", redrive.Reason
		return true
	}
	if r.refusingToUndo(err) {
		return true
	}
	for name, known := range refusals {
		if errors.Is(err, known) {
			r.Refusal, r.Reason = name, err.Error()
			return true
		}
	}
	return false
}

// err is the error that a reply tells of.
func (r *reply) err() error {
	switch r.Refusal {
	case "":
		return nil
	case "saga":
		return &SagaError{r.Reason}
	case "redrive":
		return &NotRedrivableError{r.Reason}
	case "undo":
		return impossible(r.Reason)
	}
	if known := refusals[r.Refusal]; known != nil {
		return fmt.Errorf("%w (as its node says: %s)", known, r.Reason)
	}
	return fmt.Errorf("%w: %s", ErrUnanswered, r.Reason)
}

// How long a caller, and an errand of ours, waits for a reply, and between two
// looks.
const (
	orderPatience  = 10 * time.Second
	errandPatience = 3 * time.Second
	lookLeast      = 4 * time.Millisecond
	lookMost       = 250 * time.Millisecond
)

// kindReply is the kind of the documents that are replies. They have no tenant, and
// their names begin with the time until which they are waited for.
const kindReply = "reply"

// ask leaves an order for the owner of an execution and waits for the reply.
// ErrUnanswered: it may be carried out, or not.
func (e *Engine) ask(ctx context.Context, id store.ID, o order, patience time.Duration) (*reply, error) {
	var chance [12]byte
	if err := e.Draw(chance[:]); err != nil {
		return nil, err
	}
	at, err := e.cfg.Store.Now(ctx)
	if err != nil {
		return nil, e.storeFailed(fmt.Errorf("read the store's clock: %w", err))
	}
	o.Version, o.Until = orderVersion, at+patience.Milliseconds()
	o.Reply = fmt.Sprintf("%013d-%x", o.Until, chance)
	body, err := json.Marshal(&o)
	if err != nil {
		return nil, fmt.Errorf("order for execution %s: %w", id, err)
	}
	m := mail{kind: mailOrder, id: id, text: body}
	if err := e.leave(e.shardOf(id), append([]byte("order "), chance[:]...), &m); err != nil {
		return nil, err
	}
	return e.awaitReply(ctx, o.Reply, patience)
}

// awaitReply looks for a reply, more and more seldom, and again where it could not be
// read: the order is carried out all the same.
func (e *Engine) awaitReply(ctx context.Context, name string, patience time.Duration) (*reply, error) {
	k := store.DocKey{Kind: kindReply, Name: name}
	until := e.cfg.Clock.Now() + patience.Milliseconds()
	for waited, pause := time.Duration(0), lookLeast; ; pause = min(pause*3/2, lookMost) {
		doc, err := e.cfg.Store.Doc(ctx, k)
		if err == nil {
			var r reply
			if err := json.Unmarshal(doc.Body, &r); err != nil || r.Version != orderVersion {
				return nil, fmt.Errorf("%w: its reply can not be read", ErrUnanswered)
			}
			_ = e.cfg.Store.Commit(ctx, &store.Batch{DropDocs: []store.DocKey{k}}) // else it goes with the old ones
			return &r, nil
		}
		if waited >= patience || e.cfg.Clock.Now() >= until { // to look may take long, too
			if errors.Is(err, store.ErrNotFound) {
				return nil, ErrUnanswered
			}
			return nil, fmt.Errorf("%w: %w", ErrUnanswered, err)
		}
		if err := e.cfg.Pause(ctx, pause); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnanswered, err)
		}
		waited += pause
	}
}

// pause waits that long, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	if !sleep(ctx, d, nil) {
		return ctx.Err()
	}
	return nil
}

// ordered is an order that is being carried out.
type ordered struct {
	order
	from  store.MessageKey
	epoch uint64 // of the lease under which it was read: who got the shard again reads it again
	reply reply
	done  bool // its reply is durable
}

// stands tells in the reply how the execution stands once the order is carried out.
func (a *ordered) stands(h *machine.Head) {
	a.reply.Status = uint8(h.Status)
	switch {
	case a.What == orderRedrive:
		a.reply.At = h.Redriven
	case a.What == orderStop && h.Status.Ended():
		a.reply.At = h.Stop
	}
}

// answers puts the reply into a batch. The batch's commit decides whether it is
// one.
func (a *ordered) answers(b *store.Batch) {
	a.reply.Version = orderVersion
	body, err := json.Marshal(&a.reply)
	if err != nil {
		panic(fmt.Sprintf("a reply can't be written: %v", err))
	}
	b.DropMessages = append(b.DropMessages, a.from)
	b.Docs = append(b.Docs, store.Doc{DocKey: store.DocKey{Kind: kindReply, Name: a.order.Reply}, Rev: 1, Body: body})
}

// errNewer says that an order is one of a newer version.
var errNewer = errors.New("an order that this version does not know")

// obey carries out an order from the inbox.
func (e *Engine) obey(s *shard, m *mail) error {
	a := &ordered{from: m.lies, epoch: m.epoch}
	if err := json.Unmarshal(m.text, &a.order); err != nil || a.Version != orderVersion {
		return errNewer
	}
	at, err := e.cfg.Store.Now(e.ctx)
	if err != nil {
		return err
	}
	if at > a.Until {
		return e.dropMail(m)
	}
	err = e.carryOut(m.id, a)
	if a.done {
		return nil
	}
	if !a.reply.refusing(err) {
		return err
	}
	b := &store.Batch{}
	a.answers(b)
	return e.underLease(e.ctx, s, a.epoch, b)
}

// carryOut does what an order asks for.
func (e *Engine) carryOut(id store.ID, a *ordered) (err error) {
	switch a.What {
	case orderStop:
		a.reply.At, err = e.stopFor(id, *a.Failure, a)
	case orderCompensate:
		err = e.compensateFor(id, a)
	case orderResolve:
		a.Resolution.Output = textOf(a.Texts, "output")
		err = e.resolveFor(id, *a.Resolution, a)
	case orderRedrive:
		var redriven Redriven
		redriven, err = e.redriveFor(e.ctx, id, a.Token, a.changes(), false, a)
		a.reply.At, a.reply.Status, a.reply.States = redriven.At, uint8(redriven.Status), redriven.States
	case orderReconsider:
		a.Resolution.Output = textOf(a.Texts, "output")
		err = e.reconsiderHere(id, *a.Resolution)
	case orderAbandon:
		a.Resolution.Output = textOf(a.Texts, "output")
		err = e.abandonHere(e.ctx, id, *a.Resolution)
	case orderUpdate:
		a.reply.Yes, err = e.updateFor(id, *a.Update, a)
	case orderHalt:
		a.reply.Yes, err = e.stopHere(id, machine.JobID(a.Job), a.Parent, *a.Failure)
	case orderFollow:
		a.reply.Yes, err = e.followHere(id, machine.JobID(a.Job), a.Parent)
	case orderUnwind:
		err = e.unwindHere(id, *a.Parent, a.Made)
		a.reply.Yes = err == nil
	default:
		err = errNewer
	}
	return err
}

func textOf(texts map[string]string, name string) value.Text { return value.Checked(texts[name]) }

// resolution is an order about a person's decision.
func resolution(what string, decided machine.Resolution) order {
	o := order{What: what, Texts: map[string]string{"output": decided.Output.String()}}
	decided.Output = value.Text{}
	o.Resolution = &decided
	return o
}

// changing puts the changes of a redrive into an order.
func (o *order) changing(c *machine.Changes) {
	if c == nil {
		return
	}
	o.Changes = &machine.Changes{Definition: c.Definition, StartAt: c.StartAt}
	o.Texts = map[string]string{"": c.Input.String()}
	for name, text := range c.Variables {
		o.Texts[name] = text.String()
	}
}

// changes are those that changing has put there.
func (o *order) changes() *machine.Changes {
	if o.Changes == nil {
		return nil
	}
	c := *o.Changes
	c.Variables = nil
	for name, text := range o.Texts {
		switch {
		case name == "":
			c.Input = value.Checked(text)
		case c.Variables == nil:
			c.Variables = map[string]value.Text{name: value.Checked(text)}
		default:
			c.Variables[name] = value.Checked(text)
		}
	}
	return &c
}

// sweepReplies takes replies away that nobody has come for.
func (e *Engine) sweepReplies(at int64) error {
	docs, err := e.cfg.Store.Docs(e.ctx, "", kindReply, "", e.cfg.Limits.Page)
	if err != nil {
		return fmt.Errorf("read replies: %w", err)
	}
	var b store.Batch
	for i := range docs {
		if docs[i].Name < fmt.Sprintf("%013d", at-time.Minute.Milliseconds()) {
			b.DropDocs = append(b.DropDocs, docs[i].DocKey)
		}
	}
	if len(b.DropDocs) == 0 {
		return nil
	}
	return e.cfg.Store.Commit(e.ctx, &b)
}
