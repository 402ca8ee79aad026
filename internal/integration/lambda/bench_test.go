package lambda

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
)

// A call of a function that does nothing, with 1 kB in and out, by 16 callers.
func BenchmarkCall(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	defer server.Close()
	h := New(Config{Region: region, Account: account, Logger: quiet, Functions: map[string]Function{
		"Book":  {Command: []string{os.Args[0]}, Concurrency: 4},
		"Bench": {URL: server.URL},
	}})
	defer h.Close(b.Context())
	payload := `{"do":"big","size":1000}`
	for _, name := range []string{"Book", "Bench"} {
		b.Run(map[string]string{"Book": "hosted", "Bench": "url"}[name], func(b *testing.B) {
			call := task(payload)
			call.Resource = "arn:aws:lambda:us-east-1:123456789012:function:" + name
			b.SetParallelism(8)
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if _, err := h.Call(b.Context(), call); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
