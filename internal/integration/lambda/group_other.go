//go:build unix && !linux

package lambda

import "syscall"

// ownGroup puts a process into a group of its own, so that a signal reaches
// all that it starts.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
