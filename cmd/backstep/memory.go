package main

import (
	"io/fs"
	"strconv"
	"strings"
)

// The ballast is allocated and never touched, so that it costs no memory itself.
// The collector runs when the heap has doubled, and a server's, which holds little
// for long, would do so ten times a second: a collection costs the processor what
// it walks through, and its caches. What the ballast costs is the garbage that may
// lie about until then, of its own size.
const (
	leastBallast = 16 << 20
	mostBallast  = 64 << 20
	ballastShare = 64 // of the memory there is
)

// ballast is how many bytes of it a process with so much memory has: the machine's
// (/proc/meminfo) or, where less, what the process's group may take of it
// (/sys/fs/cgroup/memory.max). Where the machine does not tell, it is the least.
func ballast(root fs.FS) int {
	memory := memoryOf(root)
	return int(max(leastBallast, min(memory/ballastShare, mostBallast)))
}

// memoryOf is in bytes, 0 where nothing is told.
func memoryOf(root fs.FS) uint64 {
	var memory uint64
	if text, err := fs.ReadFile(root, "proc/meminfo"); err == nil {
		_, rest, _ := strings.Cut(string(text), "MemTotal:")
		if fields := strings.Fields(rest); len(fields) > 0 {
			kib, _ := strconv.ParseUint(fields[0], 10, 44)
			memory = kib << 10
		}
	}
	for _, file := range []string{"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := fs.ReadFile(root, file)
		if err != nil {
			continue
		}
		if most, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err == nil && most > 0 { // else "max"
			memory = min(memory, most)
		}
	}
	return memory
}
