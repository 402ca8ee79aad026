package exampletest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Wire lies between the server and an example's services. Whoever asks for it has
// answers lost on their way (the service has done its work, and the server never hears),
// or calls held back.
type Wire struct {
	Address string

	mu    sync.Mutex
	lost  map[string]int           // answers that are still to be lost, by the path
	held  map[string]chan struct{} // closed when calls may go on, by the path
	calls map[string]int           // that came, by the path
}

// Lay lays a wire to a handler, for as long as the test runs.
func Lay(t *testing.T, services http.Handler) *Wire {
	t.Helper()
	w := &Wire{lost: map[string]int{}, held: map[string]chan struct{}{}, calls: map[string]int{}}
	server := httptest.NewServer(http.HandlerFunc(func(to http.ResponseWriter, r *http.Request) {
		lose, held := w.carry(r.URL.Path)
		if held != nil {
			select {
			case <-held:
			case <-r.Context().Done():
				return
			}
		}
		if !lose {
			services.ServeHTTP(to, r)
			return
		}
		services.ServeHTTP(httptest.NewRecorder(), r)
		<-r.Context().Done() // until the caller waits no longer
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	w.Address = strings.TrimPrefix(server.URL, "http://")
	return w
}

func (w *Wire) carry(path string) (lose bool, held chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls[path]++
	if w.lost[path] > 0 {
		w.lost[path]--
		lose = true
	}
	return lose, w.held[path]
}

// Lose loses the answers to the next n calls of a path.
func (w *Wire) Lose(path string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost[path] = n
}

// Hold holds calls of a path back, from now on until the function that it gives is
// called.
func (w *Wire) Hold(path string) (release func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	gate := make(chan struct{})
	w.held[path] = gate
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.held, path)
		close(gate)
	}
}

// Calls is how many calls of a path have come.
func (w *Wire) Calls(path string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[path]
}
