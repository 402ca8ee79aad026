package sim

import (
	"reflect"
	"slices"
	"testing"

	"github.com/backstep/backstep/internal/store"
)

// TestShardsOf: each noun of a batch counts, but those that belong to no shard, and leases.
func TestShardsOf(t *testing.T) {
	none := []string{"ExpectDocs", "Docs", "DropDocs", "Definitions", "ExpectLeases", "Leases"}
	batch := reflect.TypeFor[store.Batch]()
	for i := range batch.NumField() {
		field := batch.Field(i)
		b := &store.Batch{Jobs: []store.Job{{JobKey: store.JobKey{ID: store.NewID(7, 1, [8]byte{})}}}}
		rows := reflect.ValueOf(b).Elem().Field(i)
		switch {
		case field.Name == "Jobs":
			continue
		case field.Type.Kind() == reflect.Pointer:
			rows.Set(reflect.New(field.Type.Elem()))
		default:
			rows.Set(reflect.MakeSlice(field.Type, 1, 1)) // a row of zeros is of shard 0
		}
		want := []store.Shard{0, 7}
		if slices.Contains(none, field.Name) {
			want = []store.Shard{7}
		}
		if got := shardsOf(b); !slices.Equal(got, want) {
			t.Errorf("%s of shard 0 beside a job of shard 7: %v, want %v", field.Name, got, want)
		}
	}
}
