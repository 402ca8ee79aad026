package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"
)

// balancer is what clients of several nodes call: it hands each request to one
// of those that said last that they take calls. A request whose node does not
// answer is cut off, as the node would have.
type balancer struct {
	nodes  []string // addresses
	chance *chance
	server http.Server
	asker  *http.Client

	transport *http.Transport

	mu    sync.Mutex
	ready map[string]bool
}

// Bounds of the balancer.
const (
	askedEvery  = 200 * time.Millisecond
	askPatience = time.Second
)

func newBalancer(nodes []string, chance *chance) *balancer {
	return &balancer{
		nodes: nodes, chance: chance, ready: map[string]bool{},
		asker:     &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: askPatience},
		transport: &http.Transport{DialContext: (&net.Dialer{Timeout: askPatience}).DialContext, MaxIdleConnsPerHost: 64},
	}
}

// listen serves at an address of a host, and asks the nodes until ctx ends.
func (b *balancer) listen(ctx context.Context, address string) (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		return "", err
	}
	b.server.Handler = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", r.In.Host
			r.Out.Host = r.In.Host // it is signed
		},
		Transport:    b,
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	go b.server.Serve(l)
	for _, node := range b.nodes {
		go b.watch(ctx, node)
	}
	return "http://" + l.Addr().String(), nil
}

// watch asks a node over and over whether it takes calls.
func (b *balancer) watch(ctx context.Context, node string) {
	for ctx.Err() == nil {
		yes := ready(ctx, b.asker, "http://"+node+"/readyz")
		b.mu.Lock()
		b.ready[node] = yes
		b.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(askedEvery):
		}
	}
}

// RoundTrip hands a request to a node, and to another one where there is no
// connection to be had: it was not sent then.
func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		r.URL.Host = b.pick()
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		answer, err := b.transport.RoundTrip(r)
		var operation *net.OpError
		if err == nil || try == len(b.nodes) || !errors.As(err, &operation) || operation.Op != "dial" {
			return answer, err
		}
	}
}

// pick is one of the nodes that take calls, or any where none does.
func (b *balancer) pick() string {
	b.mu.Lock()
	var able []string
	for _, node := range b.nodes {
		if b.ready[node] {
			able = append(able, node)
		}
	}
	b.mu.Unlock()
	if len(able) == 0 {
		able = b.nodes
	}
	return able[b.chance.below(len(able))]
}

func (b *balancer) close() { b.server.Close() }
