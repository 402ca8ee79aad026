package main

import (
	"bytes"
	"io"
	"net/http"
	"strings"
)

// answer is what every function answers: an order of about 1 KB.
var answer = []byte(`{"order_id":"5001","status":"done","note":"` + strings.Repeat("n", 960) + `"}`)

// failing is the path of the function that fails for good.
const failing = "/failing"

// serveFunctions answers every request.
func serveFunctions(listen string) error {
	return http.ListenAndServe(listen, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == failing {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			io.WriteString(w, `{"errorType":"Declined","errorMessage":"no"}`)
			return
		}
		w.Write(answer)
	}))
}

// runProgram is a program of the Lambda Runtime API: it takes an invocation and
// answers it, over and over.
func runProgram(host string) error {
	base := "http://" + host + "/2018-06-01/runtime/invocation/"
	for {
		next, err := http.Get(base + "next")
		if err != nil {
			return err
		}
		io.Copy(io.Discard, next.Body)
		next.Body.Close()
		done, err := http.Post(base+next.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", "application/json", bytes.NewReader(answer))
		if err != nil {
			return err
		}
		io.Copy(io.Discard, done.Body)
		done.Body.Close()
	}
}
