package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ticks are in how many parts the system counts a second of a processor.
const ticks = 100

// CPU is the processor time that the process has taken, in seconds.
func (p *Process) CPU() float64 {
	select {
	case <-p.ended:
		return (p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()).Seconds()
	default:
	}
	stat := p.proc("stat")
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / ticks
}

// Written is how many bytes the process has given to file systems so far.
func (p *Process) Written() float64 { return p.figure("io", "write_bytes:") }

// Memory is what is resident of the process in MiB, and the most that ever was; 0 when
// it has ended.
func (p *Process) Memory() (now, most float64) {
	return p.figure("status", "VmRSS:") / 1024, p.figure("status", "VmHWM:") / 1024
}

// figure is the number behind a name in a file of /proc/PID.
func (p *Process) figure(file, name string) float64 {
	for line := range strings.Lines(p.proc(file)) {
		if rest, is := strings.CutPrefix(line, name); is {
			n, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return n
		}
	}
	return 0
}

func (p *Process) proc(file string) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, file))
	return string(text)
}

// Busy is how long the machine's processors have been busy, all together, since it
// began, in seconds.
func Busy() float64 {
	stat, _ := os.ReadFile("/proc/stat")
	all, _, _ := strings.Cut(string(stat), "\n")
	busy := 0.0
	for i, field := range strings.Fields(all) {
		const idle, waiting, guests = 4, 5, 9 // guests are counted among the others, too
		if n, err := strconv.ParseFloat(field, 64); err == nil && i != idle && i != waiting && i < guests {
			busy += n
		}
	}
	return busy / ticks
}

// Size is the sum of the files in a folder, in bytes.
func Size(dir string) (bytes int64) {
	filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}
