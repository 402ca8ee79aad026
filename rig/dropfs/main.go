// Command dropfs is a file system for the crash rig: it forgets what was not
// synced. All of it lies in this process's memory, so it outlives the server that
// is killed, and ends with this process. It knows nothing of who uses it.
//
//	dropfs DIR
//
// mounts it at a folder and takes commands, one a line, each answered by one line:
//
//	drop PERCENT   unmount, keep of what was not synced (pages of data, names in
//	               folders) so many percent by chance, mount again
//	fail N         the N-th sync from now on fails by EIO, and keeps nothing
//	slow MS        every sync takes so long; 0: no longer than it takes
//	room BYTES     so much may be written until the disk is full; -1: no end
//	status         syncs so far, and when one failed (UTC microseconds; 0: none did)
//
// At the end of its input it unmounts and ends. It needs /dev/fuse and the right to
// mount. Read disk.go (what is kept and lost), then node.go (the kernel's side).
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("dropfs: ")
	if len(os.Args) != 2 || strings.HasPrefix(os.Args[1], "-") {
		log.Print("usage: dropfs DIR < commands")
		os.Exit(2)
	}
	if err := serve(os.Args[1], os.Stdin, os.Stdout); err != nil {
		log.Print(err)
		os.Exit(2)
	}
}

// mounted is a disk at its folder.
type mounted struct {
	disk   *disk
	dir    string
	server *fuse.Server
}

// serve mounts, and does what it is told until nothing more comes.
func serve(dir string, in io.Reader, out io.Writer) error {
	m := &mounted{disk: newDisk(), dir: dir}
	var err error
	if m.server, err = m.disk.mount(dir); err != nil {
		return fmt.Errorf("mount at %s: %w", dir, err)
	}
	fmt.Fprintln(out, "mounted")
	for lines := bufio.NewScanner(in); err == nil && lines.Scan(); {
		var answer string
		if answer, err = m.do(strings.Fields(lines.Text())); err == nil {
			fmt.Fprintln(out, answer)
		}
	}
	return errors.Join(err, m.unmount())
}

func (m *mounted) do(words []string) (string, error) {
	number := int64(0)
	if len(words) == 2 {
		var err error
		if number, err = strconv.ParseInt(words[1], 10, 64); err != nil {
			return "", err
		}
	}
	switch d := m.disk; {
	case len(words) == 1 && words[0] == "status":
		return fmt.Sprintf("syncs %d failed %d", d.syncs.Load(), d.failed.Load()), nil
	case len(words) != 2:
		return "", fmt.Errorf("no command: %q", words)
	case words[0] == "drop":
		return m.drop(int(number))
	case words[0] == "fail":
		d.failed.Store(0)
		d.failIn.Store(number)
	case words[0] == "slow":
		d.latency.Store(number * int64(time.Millisecond))
	case words[0] == "room":
		d.mu.Lock()
		if d.capacity = number; number >= 0 {
			d.capacity += d.used()
		}
		d.mu.Unlock()
	default:
		return "", fmt.Errorf("no command: %q", words)
	}
	return "done", nil
}

func (m *mounted) drop(percent int) (string, error) {
	if err := m.unmount(); err != nil {
		return "", err
	}
	pages, names := m.disk.lose(percent)
	var err error
	if m.server, err = m.disk.mount(m.dir); err != nil {
		return "", fmt.Errorf("mount again at %s: %w", m.dir, err)
	}
	return fmt.Sprintf("lost pages %d names %d", pages, names), nil
}

// unmount waits a little for files that are just being closed, and then no longer.
func (m *mounted) unmount() error {
	for range 50 {
		if m.server.Unmount() == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return syscall.Unmount(m.dir, syscall.MNT_DETACH)
}
