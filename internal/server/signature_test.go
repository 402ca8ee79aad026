package server_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/backstep/backstep/internal/server"
)

const (
	keyID  = "AKIDEXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	region = "eu-central-1"
)

var signedAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// signing is how a test's request is signed; the zero values sign it right.
type signing struct {
	key, secret, region, service string
	at                           time.Time
	hash                         string
}

// sign signs the request as it is, with the body that is given.
func sign(r *http.Request, body string, s signing) {
	or := func(given, otherwise string) string {
		if given == "" {
			return otherwise
		}
		return given
	}
	if s.at.IsZero() {
		s.at = signedAt
	}
	err := v4.NewSigner().SignHTTP(context.Background(),
		aws.Credentials{AccessKeyID: or(s.key, keyID), SecretAccessKey: or(s.secret, secret)},
		r, or(s.hash, hashOf(body)), or(s.service, "states"), or(s.region, region), s.at)
	if err != nil {
		panic(err)
	}
}

// replace changes a part of the header Authorization.
func replace(old, new string) func(*http.Request) {
	return func(r *http.Request) {
		before := r.Header.Get("Authorization")
		after := strings.Replace(before, old, new, 1)
		if before == after {
			panic(fmt.Sprintf("no %q in %q", old, before))
		}
		r.Header.Set("Authorization", after)
	}
}

// signatureCase is a request, and what is changed in it before and after it is signed.
type signatureCase struct {
	name          string
	signing       signing
	before, after func(*http.Request)
	code          string // of the refusal; "" is accepted
}

// The codes of refusals.
const (
	bad     = "InvalidSignatureException"
	missing = "MissingAuthenticationTokenException"
)

// signedBody is the body of all these requests, otherBody one that was not signed.
const (
	signedBody = `{"stateMachineArn":"m"}`
	otherBody  = `{"stateMachineArn":"n"}`
)

var rightSignatures = []signatureCase{
	{name: "right"},
	{name: "another key", signing: signing{key: "OTHER", secret: "other"}},
	{name: "without a signed length", before: func(r *http.Request) { r.ContentLength = 0 }, after: func(r *http.Request) { r.ContentLength = int64(len(signedBody)) }},
	{name: "right hash in a signed header", before: set("X-Amz-Content-Sha256", hashOf(signedBody))},
	{name: "session token, signed", before: set("X-Amz-Security-Token", "token")},
	{name: "4:59 ago", signing: signing{at: signedAt.Add(-299 * time.Second)}},
	{name: "4:59 ahead", signing: signing{at: signedAt.Add(299 * time.Second)}},
	{name: "an unsigned header of no meaning", after: set("X-Forwarded-For", "10.0.0.1")},
	{name: "spaces around the parts", after: replace(", SignedHeaders", ",    SignedHeaders")},
	{name: "no spaces between the parts", after: both(replace(", SignedHeaders", ",SignedHeaders"), replace(", Signature=", ",Signature="))},
}

var wrongSignatures = []signatureCase{
	{name: "no Authorization", after: func(r *http.Request) { r.Header.Del("Authorization") }, code: missing},
	{name: "credential in the query", after: func(r *http.Request) {
		r.Header.Del("Authorization")
		r.URL.RawQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + keyID + "%2F20260301%2Feu-central-1%2Fstates%2Faws4_request&X-Amz-Signature=00"
	}, code: missing},
	{name: "credential in the query as well", after: func(r *http.Request) { r.URL.RawQuery = "X-Amz-Credential=" + keyID }, code: bad},
	{name: "a query that is signed", before: func(r *http.Request) { r.URL.RawQuery = "a=b" }, code: bad},
	{name: "unsigned payload", before: set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), signing: signing{hash: "UNSIGNED-PAYLOAD"}, code: bad},
	{name: "unsigned payload, not said", signing: signing{hash: "UNSIGNED-PAYLOAD"}, code: bad},
	{name: "unsigned trailer", before: set("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"), signing: signing{hash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}, code: bad},
	{name: "streamed payload", before: set("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), signing: signing{hash: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}, code: bad},
	{name: "body changed after signing", after: func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(otherBody)) }, code: bad},
	{name: "hash of another body", signing: signing{hash: hashOf(otherBody)}, code: bad},
	{name: "hash header of another body, signed", before: set("X-Amz-Content-Sha256", hashOf(otherBody)), signing: signing{hash: hashOf(otherBody)}, code: bad},
	{name: "hash header of another body, right signature", before: set("X-Amz-Content-Sha256", hashOf(otherBody)), code: bad},
	{name: "target not signed", before: func(r *http.Request) { r.Header.Del("X-Amz-Target") }, after: set("X-Amz-Target", "AWSStepFunctions.StartExecution"), code: bad},
	{name: "target replaced", after: set("X-Amz-Target", "AWSStepFunctions.StopExecution"), code: bad},
	{name: "session token not signed", after: set("X-Amz-Security-Token", "token"), code: bad},
	{name: "any X-Amz header not signed", after: set("X-Amz-Anything", "1"), code: bad},
	{name: "host taken out of the signed headers", after: replace("host;", ""), code: bad},
	{name: "date taken out of the signed headers", after: replace("x-amz-date;", ""), code: bad},
	{name: "another host", after: func(r *http.Request) { r.Host = "localhost" }, code: bad},
	{name: "signed headers in another order", after: replace("content-type;host", "host;content-type"), code: bad},
	{name: "signed header in upper case", after: replace(";host;", ";Host;"), code: bad},
	{name: "date changed", after: set("X-Amz-Date", signedAt.Add(time.Second).Format("20060102T150405Z")), code: bad},
	{name: "5:01 ago", signing: signing{at: signedAt.Add(-301 * time.Second)}, code: bad},
	{name: "5:01 ahead", signing: signing{at: signedAt.Add(301 * time.Second)}, code: bad},
	{name: "the year 9999", signing: signing{at: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}, code: bad},
	{name: "date is not the credential's", after: replace("/20260301/", "/20260228/"), code: bad},
	{name: "no date", after: func(r *http.Request) { r.Header.Del("X-Amz-Date") }, code: bad},
	{name: "Date alone", after: func(r *http.Request) {
		r.Header.Del("X-Amz-Date")
		r.Header.Set("Date", signedAt.Format(http.TimeFormat))
	}, code: bad},
	{name: "two dates", after: func(r *http.Request) { r.Header.Add("X-Amz-Date", r.Header.Get("X-Amz-Date")) }, code: bad},
	{name: "date of another form", after: set("X-Amz-Date", signedAt.Format(time.RFC3339)), code: bad},
	{name: "wrong region", signing: signing{region: "us-east-1"}, code: bad},
	{name: "wrong service", signing: signing{service: "s3"}, code: bad},
	{name: "wrong terminator", after: replace("aws4_request", "aws3_request"), code: bad},
	{name: "slash too many in the scope", after: replace("/states/", "//states/"), code: bad},
	{name: "slash at the end of the scope", after: replace("aws4_request,", "aws4_request/,"), code: bad},
	{name: "two Authorization", after: func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, code: bad},
	{name: "another scheme", after: set("Authorization", "Bearer x"), code: bad},
	{name: "another algorithm", after: replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), code: bad},
	{name: "empty", after: set("Authorization", ""), code: bad},
	{name: "part missing", after: set("Authorization", "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host"), code: bad},
	{name: "wrong secret", signing: signing{secret: "wrong"}, code: bad},
	{name: "unknown key", signing: signing{key: "AKIDUNKNOWN"}, code: bad},
	{name: "empty key", after: replace("Credential="+keyID, "Credential="), code: bad},
	{name: "no signature", after: cutSignature(0), code: bad},
	{name: "signature one short", after: cutSignature(63), code: bad},
	{name: "signature of 10 KiB", after: replace("Signature=", "Signature="+strings.Repeat("0", 10<<10)), code: bad},
	{name: "signature in upper case", after: upperSignature, code: bad},
}

func set(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func both(first, second func(*http.Request)) func(*http.Request) {
	return func(r *http.Request) { first(r); second(r) }
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func TestSignatures(t *testing.T) {
	_, url := open(t, server.Config{
		Service: newFake(), Keys: map[string]string{keyID: secret, "OTHER": "other"}, Region: region,
		Now: func() time.Time { return signedAt },
	})
	for _, c := range slices.Concat(rightSignatures, wrongSignatures) {
		t.Run(c.name, func(t *testing.T) {
			r := newCall(url, "AWSStepFunctions.StartExecution", signedBody)
			if c.before != nil {
				c.before(r)
			}
			sign(r, signedBody, c.signing)
			if c.after != nil {
				c.after(r)
			}
			status, _, answer := send(t, r)
			switch {
			case c.code == "" && status != 200:
				t.Errorf("%d %s, want it accepted", status, answer)
			case c.code != "" && (status != 403 || !strings.Contains(answer, `"__type":"`+c.code+`"`)):
				t.Errorf("%d %s, want 403 %s", status, answer, c.code)
			}
		})
	}
}

func cutSignature(length int) func(*http.Request) {
	return func(r *http.Request) {
		head, value, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
		r.Header.Set("Authorization", head+"Signature="+value[:length])
	}
}

func upperSignature(r *http.Request) {
	head, value, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
	r.Header.Set("Authorization", head+"Signature="+strings.ToUpper(value))
}

// TestUnknownKeyAndWrongSecretLookAlike holds the words; the work is the same by construction.
func TestUnknownKeyAndWrongSecretLookAlike(t *testing.T) {
	_, url := open(t, server.Config{
		Service: newFake(), Keys: map[string]string{keyID: secret}, Region: region, Now: func() time.Time { return signedAt },
	})
	answers := map[string]bool{}
	for _, s := range []signing{{key: "AKIDUNKNOWN"}, {secret: "wrong"}} {
		r := newCall(url, "AWSStepFunctions.StartExecution", `{}`)
		sign(r, `{}`, s)
		_, _, answer := send(t, r)
		answers[answer] = true
	}
	if len(answers) != 1 {
		t.Errorf("the answers differ: %v", answers)
	}
}

// TestRawRequests are those that no well-behaved client can make.
func TestRawRequests(t *testing.T) {
	_, url := open(t, server.Config{Service: newFake()})
	address := strings.TrimPrefix(url, "http://")
	const start = "Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AWSStepFunctions.StartExecution\r\n"
	for _, c := range []struct {
		name, head string
		status     int
	}{
		{"well", "POST / HTTP/1.1\r\nHost: localhost\r\n" + start + "Content-Length: 23\r\n\r\n" + `{"stateMachineArn":"m"}`, 200},
		{"two hosts", "POST / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n" + start + "Content-Length: 2\r\n\r\n{}", 400},
		{"no host", "POST / HTTP/1.1\r\n" + start + "Content-Length: 2\r\n\r\n{}", 400},
		{"two lengths", "POST / HTTP/1.1\r\nHost: localhost\r\n" + start + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400},
		{"folded header", "POST / HTTP/1.1\r\nHost: localhost\r\n" + start + " Start\r\nContent-Length: 2\r\n\r\n{}", 400},
		{"space before the colon", "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target : x\r\n" + start + "Content-Length: 2\r\n\r\n{}", 400},
		{"large header", "POST / HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 80<<10) + "\r\n\r\n", 431},
		{"TRACE", "TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n", 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, c.head); err != nil {
				t.Fatal(err)
			}
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != c.status {
				t.Errorf("status %d, want %d", answer.StatusCode, c.status)
			}
		})
	}
}
