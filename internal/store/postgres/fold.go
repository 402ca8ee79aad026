package postgres

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/store"
	"github.com/jackc/pgx/v5/pgconn"
)

// fold is batches that are committed together, as statements of which each takes
// the rows of all.
type fold struct {
	channel  string
	batches  []*waiting
	uses     []use
	array    array
	values   [][]byte
	rewrites bool                    // events and payloads may be there already
	told     map[string]expectations // by the word of a refusal
}

// use is a statement and where its parameters lie among the arrays.
type use struct {
	*statement
	from, to int
}

// expectations are whose each row of a statement is, by the batch's place in the
// fold, and how to say that it does not hold.
type expectations struct {
	whose []int
	says  func(row int) string
}

// gather makes the fold of batches, in memory that is used again. They are put
// in the order of their executions, so that two nodes' commits don't wait for one
// another.
func (f *fold) gather(batches []*waiting) {
	slices.SortStableFunc(batches, func(a, b *waiting) int { return bytes.Compare(firstID(a.batch), firstID(b.batch)) })
	f.batches, f.uses = batches, f.uses[:0]
	f.array.reset()
	f.told = map[string]expectations{}
	f.expectations()
	f.documents()
	f.executions()
	f.lists()
	f.messages()
}

// firstID is the execution that a batch is about, if any.
func firstID(b *store.Batch) []byte {
	switch {
	case len(b.Executions) > 0:
		return b.Executions[0].ID[:]
	case len(b.ExpectJobs) > 0:
		return b.ExpectJobs[0].ID[:]
	case len(b.Jobs) > 0:
		return b.Jobs[0].ID[:]
	case len(b.DropJobs) > 0:
		return b.DropJobs[0].ID[:]
	}
	return nil
}

// all are the rows of one noun of all batches, one after the other.
func all[T any](f *fold, of func(*store.Batch) []T) []T {
	n := 0
	for _, w := range f.batches {
		n += len(of(w.batch))
	}
	if n == 0 {
		return nil
	}
	rows := make([]T, 0, n)
	for _, w := range f.batches {
		rows = append(rows, of(w.batch)...)
	}
	return rows
}

// whose is to which batch each row of a noun belongs.
func whose[T any](f *fold, of func(*store.Batch) []T) []int {
	var batches []int
	for i, w := range f.batches {
		for range of(w.batch) {
			batches = append(batches, i)
		}
	}
	return batches
}

// add adds a statement over rows, unless there are none.
func add[T any](f *fold, st *statement, rows []T, columns ...func(*array, []T)) {
	if len(rows) == 0 {
		return
	}
	from := len(f.array.starts)
	for _, column := range columns {
		column(&f.array, rows)
	}
	f.uses = append(f.uses, use{st, from, len(f.array.starts)})
}

// statements are the fold as it is sent over a session that has prepared them.
func (f *fold) statements(n *session) *pgconn.Batch {
	f.values = f.array.values(f.values)
	var b pgconn.Batch
	for _, u := range f.uses {
		b.ExecStatement(n.prepared[u.statement], f.values[u.from:u.to], binaryFormat, nil)
	}
	return &b
}

var binaryFormat = []int16{1}

// refused is what the server's word is about; nil where it can't be told.
func (f *fold) refused(told *pgconn.PgError) *refusal {
	no := refusal{is: store.ErrConflict, of: map[int]string{}}
	if told.Code == codeFenced {
		no.is = store.ErrFenced
	}
	words := strings.Fields(told.Message)
	if len(words) < 2 {
		return nil
	}
	expected := f.told[words[0]]
	for _, number := range words[1:] {
		row, err := strconv.Atoi(number)
		if err != nil || row < 1 || row > len(expected.whose) {
			return nil
		}
		if i := expected.whose[row-1]; no.of[i] == "" {
			no.of[i] = expected.says(row - 1)
		}
	}
	return &no
}

// What refusals begin with, in the statements.
const (
	fenceWord   = "fence"
	docWord     = "document"
	leaseWord   = "lease"
	nameWord    = "name"
	jobWord     = "job"
	keptWord    = "kept"
	stoodWord   = "stood"
	taskWord    = "task"
	waitingWord = "waiting"
)

// expect notes whose the rows of an expectation are.
func (f *fold) expect(word string, whose []int, says func(row int) string) {
	if len(whose) > 0 {
		f.told[word] = expectations{whose, says}
	}
}

// expected is a row that a batch expects, or only drops.
type expected[K any] struct {
	key   K
	must  bool
	batch int
}

// parted are the keys that batches drop, each with whether it is expected as
// well, and the keys that they expect and don't drop.
func parted[K comparable](f *fold, drops, expects func(*store.Batch) []K) (dropped, kept []expected[K]) {
	for i, w := range f.batches {
		gone, must := drops(w.batch), expects(w.batch)
		isMust, isGone := setOf(must), setOf(gone)
		for _, k := range gone {
			dropped = append(dropped, expected[K]{k, isMust(k), i})
		}
		for _, k := range must {
			if !isGone(k) {
				kept = append(kept, expected[K]{k, true, i})
			}
		}
	}
	return dropped, kept
}

// setOf tells what is among keys.
func setOf[K comparable](keys []K) func(K) bool {
	if len(keys) <= 8 {
		return func(k K) bool { return slices.Contains(keys, k) }
	}
	set := make(map[K]bool, len(keys))
	for _, k := range keys {
		set[k] = true
	}
	return func(k K) bool { return set[k] }
}

// batchesOf is to which batch each row belongs.
func batchesOf[K any](rows []expected[K]) []int {
	batches := make([]int, len(rows))
	for i := range rows {
		batches[i] = rows[i].batch
	}
	return batches
}
