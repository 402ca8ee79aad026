package service

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
)

// TestJoin holds what a join of lists drawn by chance gives against what stands in
// all of them: whole, by pages, and over as many readings as it takes.
func TestJoin(t *testing.T) {
	ctx, chance := t.Context(), rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		s := storetest.NewMemory(storetest.MemoryOptions{}).Open()
		n, in := 1+chance.IntN(4), map[store.IndexKey]int{}
		var queries []store.IndexQuery
		b := &store.Batch{}
		for l := range n {
			q := store.IndexQuery{Tenant: "t", Index: "i", Value: fmt.Sprint(l), Limit: 1 + chance.IntN(4)}
			queries = append(queries, q)
			share := 1 + chance.IntN(10)
			for k := range 60 {
				at := store.IndexKey{Start: int64(k / 3), ID: store.ID{15: byte(k % 3)}} // ids of zero among them
				if chance.IntN(10) < share {
					in[at]++
					b.Index = append(b.Index, store.Index{IndexKey: store.IndexKey{Tenant: "t", Index: "i", Value: q.Value, Start: at.Start, ID: at.ID}, Body: []byte(q.Value)})
				}
			}
		}
		if err := s.Commit(ctx, b); err != nil {
			t.Fatal(err)
		}
		var want []store.IndexKey
		for k, lists := range in {
			if lists == n {
				want = append(want, k)
			}
		}
		slices.SortFunc(want, func(a, b store.IndexKey) int { return order(&a, &b) })
		for _, reads := range []int{1 << 20, n, n + chance.IntN(5)} {
			if got := joined(t, ctx, s, queries, reads); !slices.Equal(got, want) {
				t.Fatalf("round %d, %d lists, %d readings at once: %v\nwant %v", round, n, reads, got, want)
			}
		}
		s.Close()
	}
}

// joined is what a join gives that may read so many pages at once, and then goes
// on where it was.
func joined(t *testing.T, ctx context.Context, s store.Store, queries []store.IndexQuery, reads int) (keys []store.IndexKey) {
	t.Helper()
	var after *store.IndexKey
	for range 10_000 {
		j := join{store: s, after: after, reads: reads}
		for _, q := range queries {
			j.lists = append(j.lists, list{query: q})
		}
		for {
			row, err := j.next(ctx)
			if errors.Is(err, errReadEnough) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if row == nil {
				return keys
			}
			if string(row.Body) != "0" {
				t.Fatalf("a row of the list %s", row.Body)
			}
			keys = append(keys, store.IndexKey{Start: row.Start, ID: row.ID})
		}
		if after != nil && *after == *j.after {
			t.Fatalf("%d readings are no step further", reads)
		}
		after = j.after
	}
	t.Fatal("it does not end")
	return nil
}

// A short list beside a long one is found by few readings, whichever stands
// first.
func TestJoinLeaps(t *testing.T) {
	s := storetest.NewMemory(storetest.MemoryOptions{}).Open()
	defer s.Close()
	b := &store.Batch{}
	add := func(value string, start int64) {
		b.Index = append(b.Index, store.Index{IndexKey: store.IndexKey{Tenant: "t", Index: "i", Value: value, Start: start, ID: store.ID{1}}})
	}
	for k := range int64(20_000) {
		add("long", k)
	}
	add("short", 17)
	add("short", 12_000)
	if err := s.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for _, values := range [][]string{{"long", "short"}, {"short", "long"}} {
		j := join{store: s, reads: 100}
		for _, v := range values {
			j.lists = append(j.lists, list{query: store.IndexQuery{Tenant: "t", Index: "i", Value: v, Limit: joinPage}})
		}
		for _, want := range []int64{12_000, 17} {
			if row, err := j.next(t.Context()); err != nil || row.Start != want {
				t.Fatalf("%+v, %v", row, err)
			}
		}
		if row, err := j.next(t.Context()); row != nil || err != nil {
			t.Errorf("%+v, %v", row, err)
		}
		if taken := 100 - j.reads; taken > 6 {
			t.Errorf("%v took %d readings", values, taken)
		}
	}
}
