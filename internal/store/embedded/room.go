package embedded

import (
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// room keeps commits from filling the disk up: a log that can't be written is
// the end of the process, a commit that is refused is not.
type room struct {
	fs      vfs.FS
	dir     string
	reserve uint64

	mu      sync.Mutex
	granted int // bytes that may be written before the disk is asked again
}

const roomGrant = 256 << 10

// take asks for the room of one batch. Nothing else of the store is needed to
// answer reads, and commits pass again as soon as there is room.
func (r *room) take(size int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.granted -= size; r.granted > 0 {
		return nil
	}
	usage, err := r.fs.GetDiskUsage(r.dir)
	if err == nil && usage.AvailBytes < r.reserve+uint64(size) {
		r.granted = 0
		return r.full(usage.AvailBytes)
	}
	r.granted = roomGrant
	return nil
}
