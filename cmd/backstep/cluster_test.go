package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/backstep/backstep/internal/store/postgres/pgtest"
)

// balancer is nodes behind one address: each connection goes to the next of those
// that are in.
type balancer struct {
	mu    sync.Mutex
	nodes []*node
	next  int
}

func (b *balancer) put(n *node) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nodes = append(b.nodes, n)
}

func (b *balancer) take() *node {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.nodes[0]
	b.nodes = b.nodes[1:]
	return n
}

func (b *balancer) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	b.mu.Lock()
	b.next++
	address := strings.TrimPrefix(b.nodes[b.next%len(b.nodes)].url, "http://")
	b.mu.Unlock()
	return new(net.Dialer).DialContext(ctx, network, address)
}

func (b *balancer) client() *sfn.Client {
	return sfn.New(sfn.Options{
		BaseEndpoint: aws.String("http://balancer"), Region: "us-east-1",
		HTTPClient:  &http.Client{Transport: &http.Transport{DialContext: b.dial, DisableKeepAlives: true}},
		Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""),
	})
}

// Three nodes share a PostgreSQL: starts and answers go to any of them while one
// after another is restarted and one is killed. What was acknowledged ends once, as
// it must, and no call fails that a client's own retries do not hide.
func TestSeveralNodes(t *testing.T) {
	server, err := pgtest.Start()
	if errors.Is(err, pgtest.ErrMissing) {
		t.Skipf("SKIPPED, several nodes are not tested: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Stop() })
	d := openDesk(t)
	b := new(balancer)
	serve := func() *node {
		return serveOn(t, "--postgres", server.DSN(), "hosts: [balancer]\n"+d.configuration())
	}
	for range 3 {
		b.put(serve())
	}
	s := &sdk{b.client(), context.Background(), d}
	approval := s.create(t, "approval", "approval", types.StateMachineTypeStandard)

	var load sync.WaitGroup
	var done atomic.Bool
	var acknowledged atomic.Int64
	for worker := range 4 {
		load.Go(func() {
			for i := 0; !done.Load(); i++ {
				if err := s.approved(approval, fmt.Sprintf("o-%d-%d", worker, i)); err != nil {
					t.Errorf("%d of worker %d: %v", i, worker, err)
					return
				}
				acknowledged.Add(1)
			}
		})
	}
	for range 3 { // a rolling restart
		await(t, "some more", more(&acknowledged, 30))
		old := b.take()
		old.stop(t)
		b.put(serve())
	}
	await(t, "some more", more(&acknowledged, 30))
	if out := nodesTable(t, b.nodes[0]); strings.Count(out, "127.0.0.1:") != 3 {
		t.Errorf("nodes:\n%s", out)
	}
	done.Store(true)
	load.Wait()

	killed := b.take()
	lost := map[string]*string{}
	for i := range 9 {
		order := fmt.Sprint("lost-", i)
		lost[order] = s.start(t, approval, order, `{"order": "`+order+`"}`)
	}
	if err := killed.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed.asked.Do(func() {})
	killed.ended.Do(func() { _ = killed.process.Wait() })
	began := time.Now()
	for order, execution := range lost {
		token := d.await(t, order)
		if _, err := s.SendTaskSuccess(s.ctx, &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(`{"approved": true}`)}); err != nil {
			t.Fatal(err)
		}
		if end := s.ended(t, execution); end.Status != types.ExecutionStatusSucceeded {
			t.Errorf("%v", end.Status)
		}
	}
	t.Logf("after a kill it took %v; %d acknowledged", time.Since(began), acknowledged.Load())
	if ended, want := s.allEnded(t, approval), int(acknowledged.Load())+len(lost); ended != want {
		t.Errorf("%d executions have succeeded, %d were acknowledged", ended, want)
	}
}

// more is yes when n has grown by that much.
func more(n *atomic.Int64, by int64) func() bool {
	from := n.Load()
	return func() bool { return n.Load() >= from+by }
}

// approved starts an order and approves it. Either call may be answered by any node.
func (s *sdk) approved(machine *string, order string) error {
	_, err := s.StartExecution(s.ctx, &sfn.StartExecutionInput{StateMachineArn: machine, Name: &order, Input: aws.String(`{"order": "` + order + `"}`)})
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	for { // a call whose answer is lost is made again, with another token or the same
		select {
		case token := <-s.desk.token(order):
			_, err = s.SendTaskSuccess(s.ctx, &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(`{"approved": true}`)})
			if err != nil {
				return fmt.Errorf("answer: %w", err)
			}
			return nil
		case <-time.After(patience):
			return errors.New("no token came")
		}
	}
}

// nodesTable is what backstep nodes prints.
func nodesTable(t *testing.T, n *node) string {
	t.Helper()
	c, said := command(t, nil, "nodes", "--endpoint", n.url)
	var out bytes.Buffer
	c.Stdout = &out
	if err := c.Run(); err != nil {
		t.Errorf("backstep nodes: %v: %s", err, said)
	}
	return out.String()
}
