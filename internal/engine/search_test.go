package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

// found is a machine of three tasks: what its order is never changes, where it
// stands does, and who has it is known after the first.
const found = `{"SearchAttributes":{"order_id":"$$.Execution.Input.order","at":"$.at","who":"$who"},"StartAt":"A","States":{
	"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"a"},"Assign":{"who":"Anna"},"Next":"B"},
	"B":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"b"},"Next":"C"},
	"C":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"c"},"End":true}}}`

// walks answers with where the execution stands then.
func walks(_ context.Context, t integration.Task) (value.Text, error) {
	name := t.Request.Decode().Get("FunctionName").AsString()
	return value.Checked(`{"at":"` + strings.ToUpper(name) + `"}`), nil
}

// by are the rows of the lists by search attribute that a test of found can
// know, as "name=value: execution status".
func (r *rig) by() []string {
	r.t.Helper()
	var rows []string
	for _, k := range []store.IndexKey{
		{Index: "at", Value: "begin"}, {Index: "at", Value: "A"}, {Index: "at", Value: "B"}, {Index: "at", Value: "C"},
		{Index: "order_id", Value: "7"}, {Index: "who", Value: "Anna"},
	} {
		page, err := r.session.Index(context.Background(), store.IndexQuery{
			Tenant: Tenant("123456789012", "us-east-1"), Index: IndexAttribute(k.Index), Value: k.Value, Limit: 100,
		})
		if err != nil {
			r.t.Fatal(err)
		}
		for _, row := range page {
			item, err := DecodeItem(row.Body)
			if err != nil || item.Machine != "M" || item.Start != row.Start {
				r.t.Errorf("%s=%s lists %+v, %v", k.Index, k.Value, item, err)
			}
			rows = append(rows, fmt.Sprintf("%s=%s: %s %v", k.Index, k.Value, item.Name, item.Status))
		}
	}
	return rows
}

func (r *rig) wantBy(what string, rows ...string) {
	r.t.Helper()
	if got := r.by(); !slices.Equal(got, rows) {
		r.t.Errorf("%s: found by %q, not by %q", what, got, rows)
	}
}

// What changes moves in the very commit of its turn, and nothing else is
// written: a saga of three steps is four commits, found or not.
func TestSearchAttributesMove(t *testing.T) {
	r := newRig(t, walks, nil)
	m := r.define(found)
	var written [][]string
	r.plan = func(method string, b *store.Batch) storetest.Fault {
		if method == "Commit" && len(b.Executions) > 0 {
			var keys []string
			for _, row := range b.Index {
				if name, is := strings.CutPrefix(row.Index, "attribute:"); is {
					keys = append(keys, "+"+name+"="+row.Value)
				}
			}
			for _, k := range b.DropIndex {
				if name, is := strings.CutPrefix(k.Index, "attribute:"); is {
					keys = append(keys, "-"+name+"="+k.Value)
				}
			}
			written = append(written, keys)
		}
		return storetest.Fault{}
	}
	r.start(m, "a", `{"order":7,"at":"begin"}`)
	r.wantBy("begun", "at=begin: a RUNNING", "order_id=7: a RUNNING")
	r.turn()
	for len(r.side) > 0 && len(written) < 3 {
		f := r.side[0]
		r.side = r.side[1:]
		f()
	}
	r.wantBy("two steps later", "at=B: a RUNNING", "order_id=7: a RUNNING", "who=Anna: a RUNNING")
	r.settle()
	r.wantBy("ended", "at=C: a SUCCEEDED", "order_id=7: a SUCCEEDED", "who=Anna: a SUCCEEDED")
	want := [][]string{
		{"+at=begin", "+order_id=7"},
		{"+at=A", "+who=Anna", "-at=begin"},
		{"+at=B", "-at=A"},
		{"+at=C", "+order_id=7", "+who=Anna", "-at=B"}, // the status is another
	}
	if !slices.EqualFunc(written, want, slices.Equal) {
		t.Errorf("written: %q", written)
	}
}

// The lists stand as the execution does, whatever befalls the commit that moves
// a row.
func TestSearchAttributesOverFaults(t *testing.T) {
	for _, fault := range []storetest.Fault{
		{Err: storetest.ErrPlain}, {Err: store.ErrUnknown}, {Err: store.ErrUnknown, Done: true},
	} {
		for _, crash := range []bool{false, true} {
			for n := range 4 {
				r := newRig(t, walks, nil)
				s := r.start(r.define(found), "a", `{"order":7,"at":"begin"}`)
				at, met := r.commits+n+1, false
				r.plan = func(method string, b *store.Batch) storetest.Fault {
					if method == "Commit" && r.commits == at {
						met = true
						return fault
					}
					return storetest.Fault{}
				}
				r.pass(6e9)
				if crash {
					r.open()
				}
				r.pass(6e9)
				if h := r.head(s.ID); h.Status != machine.Succeeded || !met {
					t.Fatalf("%v at commit %d, met %v: %v", fault, n, met, h.Status)
				}
				r.wantBy(fmt.Sprintf("%+v at commit %d", fault, n), "at=C: a SUCCEEDED", "order_id=7: a SUCCEEDED", "who=Anna: a SUCCEEDED")
			}
		}
	}
}

// What fails keeps what it is found by, a redrive lists it as running again, and
// what is forgotten leaves no row behind.
func TestSearchAttributesOfOneRedrivenAndForgotten(t *testing.T) {
	ctx := context.Background()
	broken := true
	r := newRig(t, func(ctx context.Context, task integration.Task) (value.Text, error) {
		if broken && task.Request.Decode().Get("FunctionName").AsString() == "b" {
			return value.Text{}, integration.NewError("Broken", "", integration.EffectNone)
		}
		return walks(ctx, task)
	}, nil)
	s := r.start(r.define(found), "a", `{"order":7,"at":"begin"}`)
	r.settle()
	r.wantBy("failed", "at=A: a FAILED", "order_id=7: a FAILED", "who=Anna: a FAILED")
	r.open() // what it is found by is read from disk
	broken = false
	if _, err := r.engine.Redrive(ctx, s.ID, ""); err != nil {
		t.Fatal(err)
	}
	r.wantBy("redriven", "at=A: a RUNNING", "order_id=7: a RUNNING", "who=Anna: a RUNNING")
	r.settle()
	r.wantBy("ended", "at=C: a SUCCEEDED", "order_id=7: a SUCCEEDED", "who=Anna: a SUCCEEDED")
	if did, err := r.engine.Forget(ctx, s.ID, begin+1e12); !did || err != nil {
		t.Fatalf("forgotten: %v, %v", did, err)
	}
	r.wantBy("forgotten")
}

// An express execution is in no list.
func TestSearchAttributesAreNotOfExpress(t *testing.T) {
	r := newRig(t, walks, nil)
	m := r.define(found)
	m.Express = true
	if _, err := r.engine.StartExpress(context.Background(), StartRequest{Machine: m, Name: "a", Input: value.Checked(`{"order":7,"at":"begin"}`)}); err != nil {
		t.Fatal(err)
	}
	r.wantBy("begun")
	r.settle()
	r.wantBy("ended")
}
