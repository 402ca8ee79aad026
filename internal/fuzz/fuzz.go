// Package fuzz is what the fuzz targets of all rooms hold beside what is their
// own: that no input costs more than it may. It is there for tests alone, and
// refuses to know what is tried.
package fuzz

import (
	"runtime/metrics"
	"syscall"
	"testing"
	"time"
)

// What one input may cost: hangs and explosions are beyond it, slow machines and
// collectors that clear up are not.
const (
	MostTime  = time.Second // of the processors
	MostBytes = 256 << 20   // allocated, freed ones among them
	hung      = time.Minute // by the clock
)

// Bounded does what a target does with one input and fails the test where that
// takes more than [MostTime] or [MostBytes]. What does not end panics after a
// minute, so that the input is kept. It is for one call at a time in a process.
func Bounded(t testing.TB, do func()) {
	t.Helper()
	watch := time.AfterFunc(hung, func() { panic("it hangs") })
	defer watch.Stop()
	time0, bytes0 := spent()
	do()
	time1, bytes1 := spent()
	if took := time1 - time0; took > MostTime {
		t.Errorf("takes %v of the processors", took)
	}
	if took := bytes1 - bytes0; took > MostBytes {
		t.Errorf("allocates %d MiB", took>>20)
	}
}

// spent is what the process has used of the processors and of memory.
func spent() (time.Duration, uint64) {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it can't fail for the process itself
	allocated := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(allocated)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), allocated[0].Value.Uint64()
}
