package embedded

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/backstep/backstep/internal/store"
)

// commitTo commits a batch to one of two stores that must agree. Messages are
// dropped by key: their numbers are each store's own.
func commitTo(s store.Store, b *store.Batch) error {
	own := *b
	own.DropMessages = slices.Clone(b.DropMessages)
	for i := range own.DropMessages {
		k := &own.DropMessages[i]
		waiting, err := s.Messages(context.Background(), k.Shard, 1000)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(waiting, func(m store.Message) bool { return string(m.Key) == string(k.Key) })
		if at < 0 {
			return fmt.Errorf("no message %q waits", k.Key)
		}
		k.Seq = waiting[at].Seq
	}
	return s.Commit(context.Background(), &own)
}

// payloadsMost is how many payloads of an execution are looked at.
const payloadsMost = 40

// told is what a store says, by what was asked: what is not there is not among it.
type told map[string]answer

type answer struct {
	text string
	err  error
}

// differs is the first thing about which two stores say something else, where the
// one that is asked does not say that it can't be read; failed is what it says then.
func (want told) differs(got told) (wrong string, failed error) {
	for what, is := range want {
		switch was, there := got[what]; {
		case !there:
			wrong = what + " is gone"
		case was.err != nil:
			failed = was.err
		case was.text != is.text:
			wrong = what + " is altered"
		}
	}
	for what, is := range got {
		if _, there := want[what]; !there && is.err == nil {
			wrong = what + " is there, which should not be"
		} else if is.err != nil {
			failed = is.err
		}
	}
	return wrong, failed
}

// account is all that a store says of a committer's rows, by its reads, after its
// n-th commit.
func account(s store.Store, shard store.Shard, n int) told {
	ctx, all := context.Background(), told{}
	tell := func(what string, v any, err error) {
		if !errors.Is(err, store.ErrNotFound) {
			all[what] = answer{fmt.Sprintf("%x", v), err}
		}
	}
	for n := range n + 1 {
		x := idOf(shard, n)
		l, err := s.Load(ctx, x)
		tell(fmt.Sprint("loaded ", n), l, err)
		if !errors.Is(err, store.ErrNotFound) {
			undos, err := s.Undos(ctx, x, 0, 1000)
			tell(fmt.Sprint("undos of ", n), undos, err)
			events, err := s.Events(ctx, x, 0, false, 1000)
			tell(fmt.Sprint("events of ", n), events, err)
			for number := range uint32(payloadsMost) { // they are numbered without a gap
				p, err := s.Payloads(ctx, x, []uint32{number})
				if tell(fmt.Sprint("payload ", number, " of ", n), p, err); errors.Is(err, store.ErrNotFound) {
					break
				}
			}
		}
		id, err := s.Name(ctx, store.NameKey{Shard: shard, Tenant: tenant(shard), Machine: "m", Name: fmt.Sprint(n)})
		tell(fmt.Sprint("name ", n), id, err)
		text, err := s.Definition(ctx, store.Hash{byte(shard >> 8), byte(shard), byte(n)})
		tell(fmt.Sprint("definition ", n), text, err)
	}
	docs, err := s.Docs(ctx, tenant(shard), "machine", "", 1000)
	tell("docs", docs, err)
	jobs, err := s.Jobs(ctx, shard, store.Never, nil, 1000)
	tell("jobs", jobs, err)
	messages, err := s.Messages(ctx, shard, 1000)
	for i := range messages {
		messages[i].Seq = 0
	}
	tell("messages", messages, err)
	queue, err := s.Queue(ctx, tenant(shard), "a", 1000)
	tell("queue", queue, err)
	for _, status := range []string{"RUNNING", "SUCCEEDED"} {
		rows, err := s.Index(ctx, store.IndexQuery{Tenant: tenant(shard), Index: "status", Value: status, Limit: 1000})
		tell(status, rows, err)
	}
	leases, err := s.Leases(ctx)
	leases = slices.DeleteFunc(leases, func(l store.Lease) bool { return l.Shard != shard })
	tell("leases", leases, err)
	return all
}
