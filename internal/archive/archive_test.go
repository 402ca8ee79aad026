package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
)

// full is a store with rows of every noun, of two of which one has what the other lacks.
func full(t *testing.T) store.Store {
	t.Helper()
	s := storetest.NewMemory(storetest.MemoryOptions{Shards: 4, Store: store.NewID(0, 7, [8]byte{1}), Restored: 2}).Open()
	x, y := store.NewID(1, 5, [8]byte{1}), store.NewID(2, 6, [8]byte{2})
	body, key := []byte("body"), store.JobKey{ID: x, Number: math.MaxUint32}
	b := &store.Batch{
		Docs:        []store.Doc{{DocKey: store.DocKey{Tenant: "t", Kind: "k", Name: "é"}, Rev: math.MaxUint64, Body: body}, {DocKey: store.DocKey{}, Rev: 1}},
		Definitions: []store.Definition{{Hash: store.Hash{1, 31: 9}, Body: body}},
		Names:       []store.Name{{NameKey: store.NameKey{Shard: 2, Tenant: "t", Machine: "m", Name: "n"}, ID: y}},
		Executions:  []store.Execution{{ID: x, Start: []byte("start"), Body: body}, {ID: y}},
		Frames:      []store.Frame{{ID: x, Number: 0, Body: body}, {ID: x, Number: math.MaxUint32}},
		Jobs:        []store.Job{{JobKey: key, Due: store.Never, Body: body}, {JobKey: store.JobKey{ID: x}, Due: math.MinInt64}},
		Undos:       []store.Undo{{ID: y, Number: 300, Body: body}},
		Events:      []store.Events{{ID: y, First: -1, Body: body}, {ID: y, First: math.MaxInt64}},
		Payloads:    []store.Payload{{ID: y, Number: 1, Body: bytes.Repeat([]byte("p"), 400)}},
		Messages:    []store.Message{{Shard: 3, Key: []byte{0, 255}, Body: body}},
		Queue:       []store.Queued{{QueuedKey: store.QueuedKey{Tenant: "t", Activity: "a", At: -5, Job: key}, Body: body}},
		Index:       []store.Index{{IndexKey: store.IndexKey{Tenant: "t", Index: "i", Value: "", Start: -7, ID: x}, Body: body}},
		Leases:      []store.Lease{{Shard: 3, Epoch: 8, Node: "n", Expires: -1, Body: body}},
	}
	if err := s.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return s
}

func written(t *testing.T, s store.Store) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := Write(t.Context(), s, "v1", &file); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// rowsIn are a store's rows.
func rowsIn(t *testing.T, s store.Store) (all []store.Batch) {
	t.Helper()
	if err := s.Dump(t.Context(), func(b *store.Batch) error {
		all = append(all, *b)
		return nil
	}, nil); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestFile: what stands in a file is what the store holds, row by row, and whose it is.
func TestFile(t *testing.T) {
	s := full(t)
	var rows []store.Batch
	f, err := Read(t.Context(), bytes.NewReader(written(t, s)), func(b *store.Batch) error {
		rows = append(rows, *b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(rows), fmt.Sprint(rowsIn(t, s)); strings.ReplaceAll(got, "{3 0 [0 255]", "{3 1 [0 255]") != want { // a message's number is the store's own
		t.Errorf("read\n%s\nwant\n%s", got, want)
	}
	if rows[0].Executions[1].Start != nil || rows[0].Executions[0].Start == nil {
		t.Error("a start that is missing is not one that is empty")
	}
	id, err := f.Identity()
	if err != nil || !reflect.DeepEqual(id, s.Identity()) || f.Version != "v1" || f.Rows != 18 || Rows(&rows[0]) != 18 {
		t.Errorf("%+v, %v of %+v, %d rows", id, err, f.Head, f.Rows)
	}
	sums, err := SumsOf(t.Context(), s, nil)
	if err != nil || !reflect.DeepEqual(sums.List(), f.Sums) {
		t.Errorf("the store's sums are %v, the file's %v: %v", sums.List(), f.Sums, err)
	}
}

// TestDamagedFile: whichever byte of a file is altered, and wherever it is cut, it is
// refused, with why.
func TestDamagedFile(t *testing.T) {
	whole := written(t, full(t))
	refused := func(what string, file []byte) {
		t.Helper()
		_, err := Read(t.Context(), bytes.NewReader(file), nil)
		if !errors.Is(err, store.ErrDamaged) && !errors.Is(err, store.ErrForeign) && !errors.Is(err, store.ErrNewer) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for at := range whole {
		altered := bytes.Clone(whole)
		altered[at] ^= 0x14
		refused(fmt.Sprintf("byte %d is altered", at), altered)
		refused(fmt.Sprintf("it is cut at %d", at), whole[:at])
	}
	refused("it goes on", append(bytes.Clone(whole), 0))
}

// TestMalformedParts: parts whose checksums are right, and that can't be read, are
// damaged, and said to be in words of the file.
func TestMalformedParts(t *testing.T) {
	for says, parts := range map[string][]string{
		"its head can't be read":              {"h{"},
		"parts are out of order":              {"r"},
		"an unknown part":                     {"h{}", "z"},
		"a row of the unknown noun 99":        {"h{}", "r\x63"},
		"a row of its executions can't be re": {"h{}", "r\x03short"},
		"its end can't be read":               {"h{}", "e["},
		"it does not have the sums":           {"h{}", "e{}"},
	} {
		var file bytes.Buffer
		w := newWriter(&file)
		for _, p := range parts {
			w.part([]byte(p))
		}
		w.to.Flush()
		if _, err := Read(t.Context(), &file, nil); !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", parts, err, says)
		}
	}
	for _, h := range []Head{{}, {Store: store.ID{}.String(), Shards: 1, TokenKey: make([]byte, 31)}, {Store: "x", Shards: 1, TokenKey: make([]byte, 32)}} {
		if _, err := (&File{Head: h}).Identity(); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("%+v: %v", h, err)
		}
	}
}

// TestRestore: what was written is there again, and no node of before has a lease.
func TestRestore(t *testing.T) {
	s := full(t)
	to := storetest.NewMemory(storetest.MemoryOptions{Shards: 4}).Open()
	back := 0
	if err := Restore(t.Context(), bytes.NewReader(written(t, s)), to, func(_ int, isBack bool) {
		if isBack {
			back++
		}
	}); err != nil || back == 0 {
		t.Fatal(err, back)
	}
	leases, err := to.Leases(t.Context())
	if err != nil || len(leases) != 1 || leases[0].Epoch != 8+store.RestoredEpochs || leases[0].Expires != 0 || leases[0].Node != "n" {
		t.Errorf("%+v, %v", leases, err)
	}
	was, is := rowsIn(t, s), rowsIn(t, to)
	was[0].Leases, is[0].Leases = nil, nil
	if fmt.Sprint(was) != fmt.Sprint(is) {
		t.Errorf("there was\n%v\nand is\n%v", was, is)
	}
}

// losing is a store that loses a row of what is committed to it.
type losing struct{ *storetest.Session }

func (l losing) Commit(ctx context.Context, b *store.Batch) error {
	less := *b
	less.Payloads = nil
	return l.Session.Commit(ctx, &less)
}

func (l losing) Filled(context.Context) error { return errors.New("it is said to be complete") }

// TestCopy: a copy is what was copied; one that is not is never said to be complete.
func TestCopy(t *testing.T) {
	s := full(t)
	to := storetest.NewMemory(storetest.MemoryOptions{Shards: 4}).Open()
	sums, err := Copy(t.Context(), s, to, nil)
	if err != nil || sums.Rows() != 18 || fmt.Sprint(rowsIn(t, s)) != fmt.Sprint(rowsIn(t, to)) {
		t.Errorf("%v, %v", sums.List(), err)
	}
	_, err = Copy(t.Context(), s, losing{storetest.NewMemory(storetest.MemoryOptions{Shards: 4}).Open()}, nil)
	if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "payloads are 0") {
		t.Errorf("a row is lost: %v", err)
	}
	for _, method := range []string{"Commit", "Dump"} {
		bad := failing{storetest.NewFaulty(to, storetest.Nth(method, 1, storetest.Fault{Err: storetest.ErrPlain}))}
		if _, err := Copy(t.Context(), s, bad, nil); !errors.Is(err, storetest.ErrPlain) {
			t.Errorf("%s fails: %v", method, err)
		}
	}
}

// failing is a store that fails, and that can be filled.
type failing struct{ store.Store }

func (failing) Filled(context.Context) error { return nil }
