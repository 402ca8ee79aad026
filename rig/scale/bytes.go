package main

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/rig/process"
)

// The bars of the bytes of a saga, in times of its payload texts and in bytes beside.
const (
	writtenShare, writtenMore = 2.5, 8 << 10
	keptShare, keptMore       = 1.2, 2 << 10
)

// bytes measures what the server writes for a saga, and what is on disk of it in
// the end.
func (r *rig) bytes(ctx context.Context) error {
	const text = 1000
	s, err := serve(ctx, r.backstep, filepath.Join(r.dir, "bytes"), r.configuration("", "0s"))
	if err != nil {
		return err
	}
	defer s.End(syscall.SIGKILL)
	machine, err := s.machine(ctx, "Bytes", sagaOf("Answer1000"))
	if err != nil {
		return err
	}
	before := s.Written()
	m, err := r.sagas(ctx, s, machine, text, r.n, 0)
	if err != nil {
		return err
	}
	s.quiet(ctx, time.Minute)
	written := (s.Written() - before) / float64(m.n)
	payload, err := s.payload(ctx, machine)
	if err != nil {
		return err
	}
	s.End(syscall.SIGTERM)
	kept := float64(process.Size(s.data())) / float64(m.n)
	r.bars.Note("bytes: sagas", float64(m.n), "")
	r.bars.Note("bytes: chance in a saga's texts", (steps+1)*text, "B")
	r.bars.Note("bytes: payload texts of a saga", payload, "B")
	r.bars.Note("bytes: sagas a second", float64(m.n)/m.seconds, "")
	r.bars.Note("bytes: processor per 1,000 sagas", m.cpu, "s")
	r.bars.Most("bytes: written for a saga", written, writtenShare*payload+writtenMore, "B")
	r.bars.Most("bytes: on disk of a saga once the server has ended", kept, keptShare*payload+keptMore, "B")
	return nil
}

// payload is how many bytes of payload texts a saga of this machine has: its
// input, and what its tasks gave, as its history shows them. What its states made
// of these is a part of them, or little more, and is not counted again.
func (s *server) payload(ctx context.Context, machine string) (float64, error) {
	list, err := s.ListExecutions(ctx, &api.ListExecutionsInput{StateMachineArn: &machine, MaxResults: 1})
	if err != nil || len(list.Executions) == 0 {
		return 0, errors.Join(err, errors.New("no execution is there"))
	}
	history, err := s.GetExecutionHistory(ctx, &api.GetExecutionHistoryInput{ExecutionArn: list.Executions[0].ExecutionArn})
	if err != nil {
		return 0, err
	}
	bytes := 0
	for _, e := range history.Events {
		if d := e.ExecutionStartedEventDetails; d != nil {
			bytes += len(*d.Input)
		}
		if d := e.TaskSucceededEventDetails; d != nil {
			bytes += len(*d.Output)
		}
	}
	return float64(bytes), nil
}
