package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/backstep/backstep/internal/fuzz"
	"github.com/backstep/backstep/internal/store"
)

// FuzzRecord reads any bytes as every kind of record: they are damaged, or what
// they say is written again in the same bytes.
func FuzzRecord(f *testing.F) {
	lease := store.Lease{Epoch: 3, Node: "node", Expires: 5, Body: []byte("body")}
	for which := range len(recordKinds) {
		f.Add(which, []byte{})
		f.Add(which, []byte{2, 0})
		f.Add(which, append([]byte{encoding, 3}, "key and body"...))
		f.Add(which, appendLease([]byte{encoding}, &lease))
		f.Add(which, appendDoc([]byte{encoding}, &store.Doc{Rev: math.MaxUint64}))
		f.Add(which, append([]byte{encoding}, bytes.Repeat([]byte{0xff}, 40)...))
	}
	f.Fuzz(func(t *testing.T, which int, stored []byte) {
		fuzz.Bounded(t, func() {
			rec, err := record([]byte("key"), stored)
			if err == nil {
				kind := recordKinds[uint(which)%uint(len(recordKinds))]
				var again []byte
				if again, err = kind(rec); err == nil && !bytes.HasPrefix(rec, again) && !overlong(rec) {
					t.Errorf("kind %d: %x is written again as %x", which, rec, again)
				}
			}
			if err != nil && !errors.Is(err, store.ErrDamaged) {
				t.Errorf("kind %d: %x: %v", which, stored, err)
			}
		})
	})
}

// overlong reports whether a record may begin with a number in more bytes than
// it takes, or has such a length in it: that is read, and never written.
func overlong(rec []byte) bool {
	for _, at := range []int{0, 16} {
		if at < len(rec) {
			if v, n := binary.Uvarint(rec[at:]); n > 0 && n != len(binary.AppendUvarint(nil, v)) {
				return true
			}
		}
	}
	return false
}

// recordKinds read a record of each kind and write it again.
var recordKinds = []func(rec []byte) ([]byte, error){
	func(rec []byte) ([]byte, error) {
		d, err := readDoc(store.DocKey{}, rec)
		return append(appendDoc(nil, &d), d.Body...), err
	},
	func(rec []byte) ([]byte, error) {
		id, err := readName(rec)
		return id[:], err
	},
	func(rec []byte) ([]byte, error) {
		j, err := readJob(store.JobKey{}, rec)
		return append(binary.BigEndian.AppendUint64(nil, uint64(j.Due)), j.Body...), err
	},
	func(rec []byte) ([]byte, error) {
		m, err := readMessage(1, 2, rec)
		return append(append([]byte{byte(len(m.Key))}, m.Key...), m.Body...), err
	},
	func(rec []byte) ([]byte, error) {
		l, err := readLease(1, rec)
		return append(appendLease(nil, &l), l.Body...), err
	},
}
