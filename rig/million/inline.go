package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
)

// throughAllInline has a Pass for each item, in the execution's own history; as
// many at once as the service lets run.
const throughAllInline = `{"StartAt":"Each","States":{"Each":{"Type":"Map","MaxConcurrency":40,"End":true,
	"ItemProcessor":{"StartAt":"Keep","States":{"Keep":{"Type":"Pass","End":true}}}}}}`

// inline measures an inline Map: what an item of a large one takes beside that
// of a small one.
func inline(ctx context.Context, c config) error {
	s, err := newServer(ctx, c.backstep, filepath.Join(c.dir, "inline"), "--limits", "lifted")
	if err != nil {
		return err
	}
	defer s.end(syscall.SIGKILL)
	const rounds = 3
	small, large := time.Duration(1<<62), time.Duration(1<<62)
	for range rounds {
		some, err := s.through(ctx, c.inline/10)
		if err != nil {
			return err
		}
		all, err := s.through(ctx, c.inline)
		if err != nil {
			return err
		}
		small, large = min(small, some), min(large, all)
	}
	s.end(syscall.SIGTERM)
	ratio := float64(large) / float64(max(small, time.Microsecond))
	fmt.Printf("inline Map         %d items: %s an item; %d items: %s an item; ratio %.2f (bound %.1f)\n", c.inline/10, small, c.inline, large, ratio, c.ratio)
	fmt.Printf("  resident memory  %d MiB at the most\n", s.peak)
	return missed(c.ratio > 0 && ratio > c.ratio, "an item of a large inline Map takes %.2f times as long as one of a small", ratio)
}

// through goes through so many items, and tells how long each took.
func (s *server) through(ctx context.Context, n int) (time.Duration, error) {
	var input strings.Builder
	input.WriteByte('[')
	for i := range n {
		if i > 0 {
			input.WriteByte(',')
		}
		input.WriteString(strconv.Itoa(i))
	}
	input.WriteByte(']')
	arn, err := s.startMachine(ctx, "Inline", throughAllInline, input.String())
	if err != nil {
		return 0, err
	}
	ended, err := client.Await(ctx, s, arn)
	switch {
	case err != nil:
		return 0, err
	case ended.Status != api.ExecutionStatusSucceeded || *ended.Output != input.String():
		return 0, fmt.Errorf("an inline Map of %d items is %s", n, ended.Status)
	}
	return time.Duration(float64(*ended.StopDate-ended.StartDate)) * time.Millisecond / time.Duration(n), nil
}
