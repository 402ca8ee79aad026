package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
)

// bare is the least that a server of sagas can be: it answers a start when that
// is on disk, calls the function of each step in turn, writes its answer with a
// synced commit of keysPerCommit keys, and tells who waits for the end. It
// decides nothing, keeps no history, and could not go on after a crash. What it
// takes of the processor is what HTTP and the disk's engine take.
type bare struct {
	db       *pebble.DB
	function string
	steps    int
	client   *http.Client
	next     atomic.Uint64

	mu    sync.Mutex
	under map[string]chan struct{} // closed at the saga's end
}

const keysPerCommit = 6

// serveBare serves until the process is killed.
func serveBare(listen, dir, function string, steps int) error {
	db, err := pebble.Open(dir, &pebble.Options{MemTableSize: 32 << 20, FormatMajorVersion: pebble.FormatNewest, Logger: silent{}})
	if err != nil {
		return err
	}
	defer db.Close()
	b := &bare{db: db, function: function, steps: steps, under: map[string]chan struct{}{},
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", b.call)
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /metrics", metrics)
	return http.ListenAndServe(listen, mux)
}

func (b *bare) call(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var in struct {
		Input        string `json:"input"`
		ExecutionARN string `json:"executionArn"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	switch _, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "."); operation {
	case "CreateStateMachine":
		io.WriteString(w, `{"stateMachineArn":"arn:aws:states:us-east-1:123456789012:stateMachine:bare","creationDate":1}`)
	case "StartExecution":
		arn := fmt.Sprintf("arn:aws:states:us-east-1:123456789012:execution:bare:%d", b.next.Add(1))
		if err := b.commit(arn, 0, []byte(in.Input)); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		b.mu.Lock()
		ended := make(chan struct{})
		b.under[arn] = ended
		b.mu.Unlock()
		go b.run(arn, []byte(in.Input), ended)
		fmt.Fprintf(w, `{"executionArn":%q,"startDate":1}`, arn)
	case "WaitExecution":
		b.mu.Lock()
		ended := b.under[in.ExecutionARN]
		b.mu.Unlock()
		if ended != nil {
			<-ended
		}
		fmt.Fprintf(w, `{"executionArn":%q,"stateMachineArn":"","startDate":1,"status":"SUCCEEDED"}`, in.ExecutionARN)
	default:
		http.Error(w, operation, http.StatusNotFound)
	}
}

// run takes the saga's steps.
func (b *bare) run(arn string, text []byte, ended chan struct{}) {
	for step := 1; step <= b.steps; step++ {
		answer, err := b.client.Post(b.function, "application/json", bytes.NewReader(text))
		if err != nil {
			panic(err)
		}
		text, err = io.ReadAll(answer.Body)
		answer.Body.Close()
		if err == nil {
			err = b.commit(arn, step, text)
		}
		if err != nil {
			panic(err)
		}
	}
	b.mu.Lock()
	delete(b.under, arn)
	b.mu.Unlock()
	close(ended)
}

// commit writes a step's text, and as many small rows as a decider would.
func (b *bare) commit(arn string, step int, text []byte) error {
	batch := b.db.NewBatch()
	defer batch.Close()
	row := make([]byte, 100)
	for n := range keysPerCommit {
		key := binary.BigEndian.AppendUint16(append([]byte(arn), byte(step)), uint16(n))
		value := row
		if n == 0 {
			value = text
		}
		if err := batch.Set(key, value, nil); err != nil {
			return err
		}
	}
	return batch.Commit(pebble.Sync)
}

// metrics tells what the load generator asks of any server.
func metrics(w http.ResponseWriter, _ *http.Request) {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	fmt.Fprintf(w, "process_cpu_seconds_total %g\nprocess_resident_memory_bytes %d\n", seconds(u.Utime)+seconds(u.Stime), u.Maxrss<<10)
}

type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(f string, a ...any) {
	panic(fmt.Sprintf(f, a...))
}
