package main

import (
	"testing"
	"testing/fstest"
)

// The ballast goes by the memory there is.
func TestBallast(t *testing.T) {
	const mib = 1 << 20
	meminfo := func(kib string) string { return "MemTotal:       " + kib + " kB\nMemFree:  1 kB\n" }
	for name, c := range map[string]struct {
		files map[string]string
		want  int
	}{
		"nothing is told":       {nil, 16 * mib},
		"nonsense":              {map[string]string{"proc/meminfo": "MemTotal: much\n", "sys/fs/cgroup/memory.max": "some"}, 16 * mib},
		"a large machine":       {map[string]string{"proc/meminfo": meminfo("25165824")}, 64 * mib},
		"a small one":           {map[string]string{"proc/meminfo": meminfo("2097152")}, 32 * mib},
		"a group without limit": {map[string]string{"proc/meminfo": meminfo("4194304"), "sys/fs/cgroup/memory.max": "max\n"}, 64 * mib},
		"a small group":         {map[string]string{"proc/meminfo": meminfo("25165824"), "sys/fs/cgroup/memory.max": "268435456\n"}, 16 * mib},
		"one of the old kind":   {map[string]string{"proc/meminfo": meminfo("25165824"), "sys/fs/cgroup/memory/memory.limit_in_bytes": "3221225472\n"}, 48 * mib},
		"no limit of that kind": {map[string]string{"proc/meminfo": meminfo("25165824"), "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 64 * mib},
	} {
		root := fstest.MapFS{}
		for file, text := range c.files {
			root[file] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := ballast(root); got != c.want {
			t.Errorf("%s: %d MiB, want %d", name, got/mib, c.want/mib)
		}
	}
}
