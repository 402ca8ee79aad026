package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"sync"
)

// service is what the executions call, and the texts that they are made of:
// random ones, so that nothing is gained by their likeness.
type service struct {
	url  string
	pool string

	mu     sync.Mutex
	tokens []string // of those that wait for one
}

// newService serves functions: /answer/N gives an answer of N bytes, /token keeps
// the token that it is given.
func newService() (*service, error) {
	chance := make([]byte, 12<<20)
	if _, err := rand.Read(chance); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &service{url: "http://" + l.Addr().String(), pool: base64.RawURLEncoding.EncodeToString(chance)}
	mux := http.NewServeMux()
	for name, bytes := range answers {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, s.text(bytes))
		})
	}
	mux.HandleFunc("POST /"+tokenFunction, s.keepToken)
	go http.Serve(l, mux)
	return s, nil
}

// answers are the functions by their names, and the bytes that each answers.
var answers = map[string]int{"Answer200": 200, "Answer1000": 1000}

const tokenFunction = "Token"

// text is a JSON text of so many bytes.
func (s *service) text(bytes int) string {
	const frame = `{"text":""}`
	at := mathrand.IntN(len(s.pool) - bytes)
	return `{"text":"` + s.pool[at:at+bytes-len(frame)] + `"}`
}

func (s *service) keepToken(w http.ResponseWriter, r *http.Request) {
	var in struct{ Token string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Token == "" {
		http.Error(w, "no token", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = append(s.tokens, in.Token)
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, "{}")
}

// configuration is the server's file: the functions, and a test case by which the
// steps of the saga are answered by the server itself, to fill a store fast.
func (s *service) configuration(mocks, retention string) string {
	text := "functions:\n"
	for name := range answers {
		text += fmt.Sprintf("  %s: {url: %q, concurrency: 256}\n", name, s.url+"/"+name)
	}
	text += fmt.Sprintf("  %s: {url: %q, concurrency: 256}\n", tokenFunction, s.url+"/"+tokenFunction)
	text += "http: {allow: [127.0.0.0/8]}\n"
	if mocks != "" {
		text += fmt.Sprintf("mock_config: %q\n", mocks)
	}
	return text + fmt.Sprintf("limits: {retention: %s, requests: 2048}\n", retention)
}
