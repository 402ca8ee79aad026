package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// disk is the file system that the data folder lies on where the rig has one of
// its own (rig/dropfs): it outlives the server, and forgets, fails, fills up or
// dawdles when it is told to. Its methods belong to one goroutine.
type disk struct {
	dir     string
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers *bufio.Scanner
}

// mountDisk starts the file system at a folder.
func mountDisk(program, dir string) (*disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	program, err := filepath.Abs(program)
	if err != nil {
		return nil, err
	}
	d := &disk{dir: dir, cmd: exec.Command(program, dir)}
	d.cmd.Stderr = os.Stderr
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if d.in, err = d.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: build it first: make crash", err)
	}
	d.answers = bufio.NewScanner(out)
	if !d.answers.Scan() {
		return nil, errors.Join(fmt.Errorf("%s could not be mounted at %s", program, dir), d.cmd.Wait())
	}
	return d, nil
}

// tell gives a command, and reads what its answer has in the places of the format.
func (d *disk) tell(command, format string, into ...any) error {
	if _, err := fmt.Fprintln(d.in, command); err != nil {
		return fmt.Errorf("the disk, told to %s: %w", command, err)
	}
	if !d.answers.Scan() {
		return fmt.Errorf("the disk, told to %s, ended", command)
	}
	if _, err := fmt.Sscanf(d.answers.Text(), format, into...); err != nil {
		return fmt.Errorf("the disk, told to %s, says %q", command, d.answers.Text())
	}
	return nil
}

// drop forgets what was not synced, but so many percent. Nothing may be open.
func (d *disk) drop(percent int) (pages, names int, err error) {
	err = d.tell(fmt.Sprint("drop ", percent), "lost pages %d names %d", &pages, &names)
	return pages, names, err
}

// failSync makes the n-th sync from now on fail.
func (d *disk) failSync(n int) error { return d.tell(fmt.Sprint("fail ", n), "done") }

// slow makes each sync take so long.
func (d *disk) slow(by time.Duration) error {
	return d.tell(fmt.Sprint("slow ", by.Milliseconds()), "done")
}

// room leaves so many bytes until the disk is full; below 0: no end.
func (d *disk) room(bytes int64) error { return d.tell(fmt.Sprint("room ", bytes), "done") }

// failedAt is when the sync failed; zero if none did.
func (d *disk) failedAt() (time.Time, error) {
	var syncs, at int64
	if err := d.tell("status", "syncs %d failed %d", &syncs, &at); err != nil || at == 0 {
		return time.Time{}, err
	}
	return time.UnixMicro(at), nil
}

// close unmounts. What was on the disk is gone.
func (d *disk) close() error {
	d.in.Close()
	return d.cmd.Wait()
}
