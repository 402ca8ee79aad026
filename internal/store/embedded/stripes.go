package embedded

import (
	"hash/maphash"
	"slices"
	"sync"
)

// stripes are locks for keys: a key's stripe is its hash. They are held while a
// batch's expectations are checked and until its changes can be seen, which
// takes no disk but that of the check.
type stripes struct {
	seed  maphash.Seed
	locks [stripeCount]sync.Mutex
}

const stripeCount = 1024

// lock takes the locks of the stripes named, each once and in rising order; the
// list comes back so sorted.
func (s *stripes) lock(named []uint32) []uint32 {
	slices.Sort(named)
	named = slices.Compact(named)
	for _, n := range named {
		s.locks[n].Lock()
	}
	return named
}

func (s *stripes) unlock(named []uint32) {
	for _, n := range named {
		s.locks[n].Unlock()
	}
}
