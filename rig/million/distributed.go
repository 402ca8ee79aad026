package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/rig/process"
)

// throughAll has a child for each item of a file, which gives its item back; the
// results go to files.
const throughAll = `{"StartAt":"Each","States":{"Each":{"Type":"Map","Label":"Each","End":true,
	"ItemReader":{"Resource":"arn:aws:states:::s3:getObject","ReaderConfig":{"InputType":"JSONL"},"Parameters":{"Bucket":"` + bucketName + `","Key":"` + itemsFile + `"}},
	"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"EXPRESS"},"StartAt":"Keep","States":{"Keep":{"Type":"Pass","End":true}}},
	"ResultWriter":{"Resource":"arn:aws:states:::s3:putObject","Parameters":{"Bucket":"` + bucketName + `","Prefix":"out"},
		"WriterConfig":{"Transformation":"COMPACT","OutputType":"JSONL"}}}}}`

const itemsFile = "items.jsonl"

// distributed measures a distributed Map.
func distributed(ctx context.Context, c config) error {
	s, err := newServer(ctx, c.backstep, filepath.Join(c.dir, "distributed"))
	if err != nil {
		return err
	}
	defer s.end(syscall.SIGKILL)
	if err := writeItems(filepath.Join(s.bucket(), itemsFile), c.items); err != nil {
		return err
	}
	began, busy := time.Now(), process.Busy()
	run, err := s.startRun(ctx)
	if err != nil {
		return err
	}
	for kill := 1; kill <= c.kills; kill++ {
		if err := s.await(ctx, run, int64(c.items*kill/(c.kills+1))); err != nil {
			return err
		}
		s.end(syscall.SIGKILL)
		if err := s.start(ctx); err != nil {
			return err
		}
	}
	if err := s.await(ctx, run, -1); err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	counts, err := s.counts(ctx, run)
	if err != nil {
		return err
	}
	s.end(syscall.SIGTERM)
	rate, n := float64(c.items)/took, int64(c.items)
	fmt.Printf("distributed Map    %d items, %d kills: %.1f s, %.0f items/s\n", c.items, c.kills, took, rate)
	fmt.Printf("  processor        %.3f s per 1,000 items; the machine had %.2f others busy meanwhile\n", 1000*s.cpu/float64(c.items), max(0, process.Busy()-busy-s.cpu)/took)
	fmt.Printf("  resident memory  %d MiB at the most (bound %d)\n", s.peak, c.memory)
	fmt.Printf("  data on disk     %d MiB\n", process.Size(s.data())>>20)
	fmt.Printf("  itemCounts       %d of %d succeeded, %d written\n", counts.Succeeded, counts.Total, counts.ResultsWritten)
	return errors.Join(
		missed(c.kills == 0 && rate < c.rate, "%.0f items/s, fewer than %.0f", rate, c.rate),
		missed(c.memory > 0 && s.peak > c.memory, "%d MiB of resident memory, more than %d", s.peak, c.memory),
		missed(counts.Succeeded != n || counts.Total != n || counts.ResultsWritten != n, "itemCounts: %+v", *counts),
		checkFiles(s.bucket(), c.items))
}

// writeItems writes the file of items, unless it is there.
func writeItems(path string, n int) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	for i := range n {
		fmt.Fprintf(w, `{"n":%d,"order":"order-%07d","amount":%d}`+"\n", i, i, i%1000)
	}
	return errors.Join(w.Flush(), file.Close())
}

// startRun starts an execution, and gives its map run's ARN.
func (s *server) startRun(ctx context.Context) (string, error) {
	arn, err := s.startMachine(ctx, "Million", throughAll, "{}")
	if err != nil {
		return "", err
	}
	for ctx.Err() == nil {
		runs, err := s.ListMapRuns(ctx, &api.ListMapRunsInput{ExecutionArn: arn})
		if err != nil {
			return "", err
		}
		if len(runs.MapRuns) > 0 {
			return runs.MapRuns[0].MapRunArn, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return "", ctx.Err()
}

// startMachine makes a machine and starts it.
func (s *server) startMachine(ctx context.Context, name, definition, input string) (string, error) {
	made, err := s.CreateStateMachine(ctx, &api.CreateStateMachineInput{
		Name: name, Definition: definition, RoleArn: "arn:aws:iam::123456789012:role/million",
	})
	if err != nil {
		return "", err
	}
	started, err := s.StartExecution(ctx, &api.StartExecutionInput{StateMachineArn: made.StateMachineArn, Input: &input})
	if err != nil {
		return "", err
	}
	return started.ExecutionArn, nil
}

// counts are the items of a map run by what became of them.
func (s *server) counts(ctx context.Context, run string) (*api.MapRunItemCounts, error) {
	now, err := s.DescribeMapRun(ctx, &api.DescribeMapRunInput{MapRunArn: run})
	if err != nil {
		return nil, err
	}
	return now.ItemCounts, nil
}

// await waits until so many items have succeeded, or below 0 until the run has,
// and tells now and then how far it is.
func (s *server) await(ctx context.Context, run string, n int64) error {
	told := time.Now()
	for ctx.Err() == nil {
		now, err := s.DescribeMapRun(ctx, &api.DescribeMapRunInput{MapRunArn: run})
		switch {
		case err != nil:
			return err
		case now.Status != api.MapRunStatusRunning && now.Status != api.MapRunStatusSucceeded:
			return fmt.Errorf("the map run is %s: %+v", now.Status, *now.ItemCounts)
		case now.Status == api.MapRunStatusSucceeded, n >= 0 && now.ItemCounts.Succeeded >= n:
			return nil
		}
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			fmt.Fprintf(os.Stderr, "%d items, %d MiB\n", now.ItemCounts.Succeeded, s.most())
		}
		time.Sleep(50 * time.Millisecond)
	}
	return ctx.Err()
}
