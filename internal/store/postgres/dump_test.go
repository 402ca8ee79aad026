package postgres

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/store"
)

// TestDumpTellsOfMalformedRows: a row whose id, shard or number is none is told, with
// what it is, and passed over; the rows beside it are not.
func TestDumpTellsOfMalformedRows(t *testing.T) {
	at := newSchema(t)
	s := at.store(t)
	x := store.NewID(1, 5, [8]byte{1})
	name := store.NameKey{Shard: 1, Tenant: "t", Machine: "m", Name: "sound"}
	job := store.JobKey{ID: x, Number: 1}
	if err := s.Commit(t.Context(), &store.Batch{
		Docs:       []store.Doc{{DocKey: store.DocKey{Tenant: "t", Kind: "k", Name: "sound"}, Rev: 1}},
		Names:      []store.Name{{NameKey: name, ID: x}},
		Executions: []store.Execution{{ID: x, Start: []byte("s"), Body: []byte("b")}},
		Frames:     []store.Frame{{ID: x, Number: 1}}, Jobs: []store.Job{{JobKey: job}}, Undos: []store.Undo{{ID: x, Number: 1}},
		Events: []store.Events{{ID: x, First: 1}}, Payloads: []store.Payload{{ID: x, Number: 1}},
		Messages: []store.Message{{Shard: 1, Key: []byte("k")}},
		Queue:    []store.Queued{{QueuedKey: store.QueuedKey{Tenant: "t", Activity: "a", Job: job}}},
		Index:    []store.Index{{IndexKey: store.IndexKey{Tenant: "t", Index: "i", Value: "v", ID: x}}},
		Leases:   []store.Lease{{Shard: 1, Epoch: 1}},
	}); err != nil {
		t.Fatal(err)
	}
	id := fmt.Sprintf(`'\x%x'`, x[:])
	says := map[string]string{
		"INSERT INTO documents VALUES ('t', 'k', 'less', -1, '')":          `document "less" of t at revision -1`,
		"INSERT INTO names VALUES (1, 't', 'm', 'short', '\\x0102')":       `name "short" of "m" of t in shard 1, with the id 0102`,
		"INSERT INTO names VALUES (70000, 't', 'm', 'far', " + id + ")":    `name "far" of "m" of t in shard 70000`,
		"INSERT INTO executions VALUES ('\\x', '', '')":                    "row 0 of executions of the id ",
		"INSERT INTO executions VALUES ('\\x0001', '', '')":                "row 0 of executions of the id 0001",
		"INSERT INTO frames VALUES ('\\xff', 3, '')":                       "row 3 of frames of the id ff",
		"INSERT INTO frames VALUES (" + id + ", -3, '')":                   "row -3 of frames of the id",
		"INSERT INTO jobs VALUES ('\\xff', 4, 1, 0, '')":                   "row 4 of jobs of the id ff",
		"INSERT INTO undos VALUES (" + id + ", 4294967297, '')":            "row 4294967297 of undos of the id",
		"INSERT INTO events VALUES ('\\x0102030405060708090a0b0c', 5, '')": "row 5 of events of the id 0102030405060708090a0b0c",
		"INSERT INTO payloads VALUES (" + id[:len(id)-1] + "00', 6, '')":   "row 6 of payloads of the id",
		"INSERT INTO messages (shard, key, body) VALUES (-1, '\\x01', '')": "of shard -1 can't be read",
		"INSERT INTO queue VALUES ('t', 'a', 0, '\\x07', 8, '')":           `task of job 8 of the id 07 in queue "a" of t`,
		"INSERT INTO queue VALUES ('t', 'a', 0, " + id + ", -8, '')":       "task of job -8",
		"INSERT INTO lists VALUES ('t', 'i', 'v', 0, '\\x09', '')":         `row of the id 09 in list "i" of t, value "v"`,
		"INSERT INTO leases VALUES (70000, 1, 'n', 0, '')":                 "lease 70000",
		"INSERT INTO leases VALUES (2, -1, 'n', 0, '')":                    "lease 2 with the epoch -1",
	}
	for sql := range says {
		at.exec(t, "SET search_path = SCHEMA_NAME; "+sql)
	}
	var told []string
	rows := 0
	err := s.Dump(t.Context(), func(b *store.Batch) error {
		rows += len(b.Docs) + len(b.Names) + len(b.Executions) + len(b.Frames) + len(b.Jobs) + len(b.Undos) + len(b.Events) + len(b.Payloads) +
			len(b.Messages) + len(b.Queue) + len(b.Index) + len(b.Leases)
		return nil
	}, func(err error) error {
		if !errors.Is(err, store.ErrDamaged) {
			t.Errorf("told of %v", err)
		}
		told = append(told, err.Error())
		return nil
	})
	if err != nil || rows != 12 || len(told) != len(says) {
		t.Errorf("%v, after %d rows, of 12 that are sound, and %d damages, of %d", err, rows, len(told), len(says))
	}
	all := strings.Join(told, "\n")
	for sql, want := range says {
		if !strings.Contains(all, want) {
			t.Errorf("%s: nothing says %q in\n%s", sql, want, all)
		}
	}
	if err := s.Dump(t.Context(), func(*store.Batch) error { return nil }, nil); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("where nobody hears of damages: %v", err)
	}
	name.Name = "short"
	if _, err := s.Name(t.Context(), name); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("read by its name: %v", err)
	}
}
