package engine

import (
	"context"
	"testing"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// A task that a worker had taken at another node, of which the owner had not heard
// when the backup was taken, waits for a worker again.
func TestReofferOfATaskThatLiesInTheInbox(t *testing.T) {
	r := newRig(t, echo, nil)
	id := r.start(r.define(activity), "", "1").ID
	ctx, tenant := t.Context(), Tenant("123456789012", "us-east-1")
	queued, err := r.session.Queue(ctx, tenant, "work", 9)
	if err != nil || len(queued) != 1 {
		t.Fatal(queued, err)
	}
	k := queued[0].QueuedKey
	word := mail{kind: mailWord, id: id, message: machine.Message{Kind: machine.Taken, Job: machine.JobID(k.Job.Number), Worker: "w"}}
	err = r.session.Commit(ctx, &store.Batch{
		DropQueue: []store.QueuedKey{k}, Messages: []store.Message{{Shard: id.Shard(), Key: jobName(k.Job, 't'), Body: word.body()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{1, 0} { // it may be done twice
		if n, err := Reoffer(ctx, r.session, 2); n != want || err != nil {
			t.Errorf("%d are offered again, %v, want %d", n, err, want)
		}
	}
	again, err := r.session.Queue(ctx, tenant, "work", 9)
	if err != nil || len(again) != 1 || again[0].QueuedKey != k {
		t.Errorf("in the queue there is %+v, %v", again, err)
	}
	if left, err := r.session.Messages(ctx, id.Shard(), 9); err != nil || len(left) != 0 {
		t.Errorf("in the inbox there is %+v, %v", left, err)
	}
	r.open()
	if err := r.engine.Complete(context.Background(), r.poll("w").Token, value.Checked("2"), nil); err != nil {
		t.Fatal(err)
	}
	if h := r.head(id); h.Status != machine.Succeeded {
		t.Errorf("it is %v", h.Status)
	}
}
