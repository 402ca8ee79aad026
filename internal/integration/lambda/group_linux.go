package lambda

import "syscall"

// ownGroup puts a process into a group of its own, so that a signal reaches
// all that it starts, and lets it die with Backstep, however that dies.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
