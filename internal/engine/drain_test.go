package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

// grace is the time that a drain has: whenever it looks, something happens first.
type grace struct {
	context.Context
	happens func()
}

func (g grace) Done() <-chan struct{} {
	g.happens()
	return nil
}

// A node that drains waits for its calls for longer than a lease lives, and the
// store may refuse its work meanwhile: no other node makes them again.
func TestADrainKeepsItsCalls(t *testing.T) {
	refuses := func(when func(calls int) bool) storetest.Plan {
		calls := 0
		return func(method string, _ *store.Batch) (f storetest.Fault) {
			if calls++; when(calls) {
				f.Err = errors.New("the store is away")
			}
			return f
		}
	}
	for name, plan := range map[string]storetest.Plan{
		"a store that is well":           nil,
		"a store that is away at first":  refuses(func(calls int) bool { return calls <= 6 }),
		"a store that refuses the first": refuses(func(calls int) bool { return calls == 1 }),
	} {
		t.Run(name, func(t *testing.T) {
			var sent atomic.Int64
			under, release, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
			c := newCluster(t, 1, func(ctx context.Context, _ integration.Task) (value.Text, error) {
				if sent.Add(1) > 1 {
					return value.Checked(`{}`), nil
				}
				close(under)
				select {
				case <-release:
				case <-ctx.Done():
				}
				return value.Checked(`{}`), ctx.Err()
			}, nil)
			leaves := c.nodes[0]
			s := leaves.start(leaves.define(saga(1)), "a", `{}`)
			c.newcomer()
			call := leaves.side[0]
			leaves.side = nil
			go func() {
				defer close(done)
				call()
			}()
			<-under
			leaves.plan = plan
			rounds := 0
			err := leaves.engine.Drain(grace{context.Background(), func() {
				leaves.clock.now.Add(time.Second.Milliseconds())
				c.settle()
				if rounds++; rounds == 25 {
					close(release)
					<-done
				}
			}})
			if err != nil {
				t.Error(err)
			}
			c.nodes = c.nodes[1:]
			c.pass(5 * time.Second)
			if h := c.nodes[0].head(s.ID); h.Status != machine.Succeeded || sent.Load() != 1 {
				t.Errorf("%v, %d calls", h.Status, sent.Load())
			}
			if n := c.nodes[0].engine.Load().Shards; n != 4 {
				t.Errorf("%d shards were handed over", n)
			}
		})
	}
}
