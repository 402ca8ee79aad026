package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"
)

// A server whose disk fills up refuses starts, answers reads, and goes on by
// itself when there is room again. Nothing that it acknowledged is lost.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=256m"); err != nil {
		t.Skipf("no small disk can be mounted, so nothing is known of a full one: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, 0) })
	d := openDesk(t)
	n := serveFrom(t, filepath.Join(disk, "data"), d.configuration())
	s := &sdk{newClient(n, "any", "any"), context.Background(), d}
	machine := s.create(t, "order", "order", types.StateMachineTypeStandard)
	s.ended(t, s.start(t, machine, "before", `{"order": "before"}`))

	full := filepath.Join(disk, "full")
	fill(t, disk, full)
	acknowledged := 0
	large := aws.String(`{"order": "` + strings.Repeat("x", 200_000) + `"}`)
	var refused smithy.APIError
	await(t, "a start to be refused", func() bool {
		_, err := s.StartExecution(s.ctx, &sfn.StartExecutionInput{StateMachineArn: machine, Input: large}, once)
		if err == nil {
			acknowledged++
		}
		return errors.As(err, &refused)
	})
	if refused.ErrorCode() != "ServiceUnavailable" {
		t.Errorf("on a full disk a start is answered by %v", refused)
	}
	await(t, "the server to say what is wrong and what to do", func() bool {
		said := n.said.String()
		return strings.Contains(said, "is full") && strings.Contains(said, "free some")
	})
	if out, err := s.DescribeExecution(s.ctx, &sfn.DescribeExecutionInput{ExecutionArn: aws.String("arn:aws:states:us-east-1:123456789012:execution:order:before")}); err != nil || out.Status != types.ExecutionStatusSucceeded {
		t.Errorf("on a full disk a read is answered by %v", err)
	}
	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	await(t, "starts to be taken again", func() bool {
		_, err := s.StartExecution(s.ctx, &sfn.StartExecutionInput{StateMachineArn: machine, Name: aws.String("after"), Input: aws.String(`{"order": "after"}`)}, once)
		return err == nil
	})
	if ended := s.allEnded(t, machine); ended != acknowledged+2 {
		t.Errorf("%d executions have succeeded, %d starts were acknowledged", ended, acknowledged+2)
	}
}

// fill leaves less of a disk than a server keeps in reserve.
func fill(t *testing.T, disk, file string) {
	t.Helper()
	var usage syscall.Statfs_t
	if err := syscall.Statfs(disk, &usage); err != nil {
		t.Fatal(err)
	}
	const left = 48 << 20
	if err := os.WriteFile(file, make([]byte, int64(usage.Bavail)*usage.Bsize-left), 0o600); err != nil {
		t.Fatal(err)
	}
}

// once is a call that the client does not repeat by itself.
func once(o *sfn.Options) { o.RetryMaxAttempts = 1 }
