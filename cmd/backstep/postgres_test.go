package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/backstep/backstep/internal/store/postgres/pgtest"
)

// TestPostgresCut: a server whose connections to PostgreSQL are cut over and over,
// some while what they carried is still to arrive, and whose database crashes,
// loses no start that it took and leaves no execution stranded.
func TestPostgresCut(t *testing.T) {
	cluster, err := pgtest.Start()
	if errors.Is(err, pgtest.ErrMissing) {
		t.Skipf("SKIPPED, nothing is cut: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Stop)
	proxy, err := pgtest.NewProxy(cluster.Socket())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	d := openDesk(t)
	s := &sdk{newClient(serveOn(t, "--postgres", proxy.DSN(), d.configuration()), "any", "any"), context.Background(), d}
	machine := s.create(t, "order", "order", types.StateMachineTypeStandard)

	var stop atomic.Bool
	var starters sync.WaitGroup
	var acknowledged atomic.Int64
	for w := range 8 {
		starters.Go(func() {
			for i := 0; !stop.Load(); i++ {
				name := aws.String(fmt.Sprintf("cut-%d-%d", w, i))
				if _, err := s.StartExecution(s.ctx, &sfn.StartExecutionInput{StateMachineArn: machine, Name: name, Input: aws.String(`{"order": "cut"}`)}); err == nil {
					acknowledged.Add(1)
				}
			}
		})
	}
	cuts := 0
	for ; cuts < 60 || acknowledged.Load() < 50 && cuts < 600; cuts++ {
		switch cuts % 3 {
		case 0:
			proxy.CutAll()
		case 1:
			proxy.Give(&pgtest.Order{From: pgtest.Client, After: rand.IntN(40), Do: pgtest.Late})
		case 2:
			proxy.Give(&pgtest.Order{From: pgtest.Server, After: rand.IntN(40), Do: pgtest.Cut})
		}
		if cuts == 30 {
			if err := cluster.Restart(); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(20*time.Millisecond + rand.N(80*time.Millisecond))
	}
	proxy.Give(nil)
	stop.Store(true)
	starters.Wait()
	want := int(acknowledged.Load())
	if ended := s.allEnded(t, machine); ended < want || want < 50 {
		t.Errorf("%d executions have succeeded, %d starts were acknowledged, 50 make a test", ended, want)
	}
	t.Logf("%d starts acknowledged over %d cuts and a crash", want, cuts)
}
