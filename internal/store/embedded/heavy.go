package embedded

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"
)

// heavy are the lists of the index table into which most rows come. A list's newest
// row is its first: what comes anew stands before all that is there of it, and ends
// up in a file of its own as long as no file spans two such lists. Which they are is
// a guess from what came last, of which nothing depends but what is merged with what.
type heavy struct {
	count atomic.Uint32            // of rows put
	lists atomic.Pointer[[][]byte] // each as its rows' keys begin, in their order

	mu      sync.Mutex
	samples [][]byte
}

// Each sampleEvery-th row's list is looked at; heavy is one that had at least
// leastSamples of the last mostSamples, so that there are at most sixteen.
const (
	sampleEvery  = 16
	mostSamples  = 256
	leastSamples = mostSamples / 16
)

// note hears of a row that is put.
func (h *heavy) note(key []byte) {
	if h.count.Add(1)%sampleEvery != 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.samples = append(h.samples, bytes.Clone(key[:len(key)-placeLength]))
	if len(h.samples) == mostSamples {
		h.choose()
		h.samples = h.samples[:0]
	}
}

// choose takes those lists that have enough of the samples.
func (h *heavy) choose() {
	slices.SortFunc(h.samples, bytes.Compare)
	var chosen [][]byte
	for from := 0; from < len(h.samples); {
		to := from + 1
		for to < len(h.samples) && bytes.Equal(h.samples[to], h.samples[from]) {
			to++
		}
		if to-from >= leastSamples {
			chosen = append(chosen, h.samples[from])
		}
		from = to
	}
	h.lists.Store(&chosen)
}

// end is where a file ends that begins with that key of the index table: behind its
// list where that is heavy, else where the next heavy one begins, or the table ends.
func (h *heavy) end(start []byte) []byte {
	if lists := h.lists.Load(); lists != nil {
		for _, l := range *lists {
			if bytes.HasPrefix(start, l) {
				return after(bytes.Clone(l))
			}
			if bytes.Compare(start, l) < 0 {
				return l
			}
		}
	}
	return []byte{tableIndex + 1}
}
