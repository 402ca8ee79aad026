package items

import (
	"slices"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// cursor is where a reading goes on. It is enough to go on anywhere.
type cursor struct {
	Count int64  `json:"n,omitempty"`    // items so far
	Next  string `json:"next,omitempty"` // of a listing: the last key that is done with
	List  *place `json:"list,omitempty"` // of a manifest: how far it has been gone through
	place
}

// place is how far an object has been read.
type place struct {
	Bucket  string   `json:"bucket,omitempty"`
	Key     string   `json:"key,omitempty"`
	ETag    string   `json:"etag,omitempty"` // what it had when it was opened first
	At      int64    `json:"at,omitempty"`   // byte, decompressed; of Parquet: row; of an inventory's manifest: file
	Columns []string `json:"columns,omitempty"`
	Bracket string   `json:"open,omitempty"` // of JSON: the bracket that was opened
}

// Readings are kept open between two pages, so that what can't be entered in the
// middle, as compressed data can't, need not be gone through again from its
// beginning. A reading that is not kept goes on by its cursor.
const (
	maxKept  = 64 << 20 // bytes of memory, of all readings
	keptIdle = time.Minute
)

// kept is a reading that waits for its next page to be asked for.
type kept struct {
	source, cursor string
	reading        *reading
	weight         int
	timer          *time.Timer
}

// keep puts a reading aside, and closes those that there is no place for then.
func (r *Reader) keep(source value.Value, cursor string, p *reading) {
	k := &kept{source: source.Text().String(), cursor: cursor, reading: p}
	if p.decoder != nil {
		k.weight = p.decoder.weight()
	}
	k.timer = time.AfterFunc(keptIdle, func() { r.drop(k) })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = append(r.kept, k)
	held := 0
	for _, other := range r.kept {
		held += other.weight
	}
	for held > maxKept {
		oldest := r.kept[0]
		held -= oldest.weight
		r.kept = r.kept[1:]
		oldest.end()
	}
}

// end closes a reading that nobody asked on.
func (k *kept) end() {
	k.timer.Stop()
	k.reading.close()
}

// drop closes a reading, where it is still kept.
func (r *Reader) drop(k *kept) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.kept, k); i >= 0 {
		r.kept = slices.Delete(r.kept, i, i+1)
		k.end()
	}
}

// resume is the reading that is asked on; nil where it is not kept.
func (r *Reader) resume(request integration.ItemRequest) *reading {
	source := request.Source.Text().String()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, k := range r.kept {
		if k.cursor == request.Cursor && k.source == source {
			r.kept = slices.Delete(r.kept, i, i+1)
			k.timer.Stop()
			return k.reading
		}
	}
	return nil
}

// Close closes what is kept open.
func (r *Reader) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.kept {
		k.end()
	}
	r.kept = nil
}
