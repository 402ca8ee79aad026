package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/integration/s3"
)

// fake is a server with a bucket "b" and the object "k y" in it, which it serves
// by ranges.
type fake struct {
	body   []byte
	ranges []string
	put    string
	status int // that everything is refused with; 0: nothing is
}

func (s *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	switch {
	case s.status != 0:
		w.WriteHeader(s.status)
	case r.Method == http.MethodPut:
		body, _ := io.ReadAll(r.Body)
		s.put = r.URL.EscapedPath() + " " + string(body)
	case r.URL.Path == "/b" && q.Get("list-type") == "2":
		fmt.Fprintf(w, `<ListBucketResult><IsTruncated>%v</IsTruncated><NextContinuationToken>next</NextContinuationToken><Contents><Key>%s</Key>
			<LastModified>1970-01-01T00:01:00.000Z</LastModified><ETag>&quot;e&quot;</ETag><Size>7</Size><StorageClass>STANDARD</StorageClass></Contents></ListBucketResult>`,
			q.Get("continuation-token") == "", q.Get("prefix")+q.Get("continuation-token")+q.Get("max-keys"))
	case r.URL.EscapedPath() != "/b/k%20y":
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><RequestId>R</RequestId></Error>`)
	default:
		s.ranges = append(s.ranges, r.Header.Get("Range"))
		w.Header().Set("ETag", fmt.Sprintf(`"%d"`, len(s.body)))
		http.ServeContent(w, r, "k", time.Unix(60, 0), bytes.NewReader(s.body))
	}
}

func serve(t *testing.T, s *fake) *s3.Client {
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	c := s3.New(s3.Config{Endpoint: web.URL + "/"})
	t.Cleanup(c.Close)
	return c
}

var key = integration.Object{Bucket: "b", Key: "k y"}

// An object is read by parts, from any byte on.
func TestOpen(t *testing.T) {
	s := &fake{body: []byte(strings.Repeat("0123456789", 250_000))}
	c := serve(t, s)
	for _, from := range []int64{0, 7, 1 << 20, int64(len(s.body)) - 1, int64(len(s.body))} {
		s.ranges = nil
		r, err := c.Open(context.Background(), key, from)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, s.body[from:]) {
			t.Errorf("from %d: %d bytes, %v", from, len(got), err)
		}
		if from == 0 && strings.Join(s.ranges, " ") != "bytes=0-1048575 bytes=1048576-2097151 bytes=2097152-3145727" {
			t.Errorf("asked for %v", s.ranges)
		}
		r.Close()
	}
}

// An object that is written anew while it is read is not read as a mixture.
func TestObjectChanges(t *testing.T) {
	s := &fake{body: make([]byte, 2<<20)}
	c := serve(t, s)
	r, err := c.Open(context.Background(), key, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.body = make([]byte, 3<<20)
	if _, err := io.ReadAll(r); err == nil {
		t.Error("parts of two objects were read as one")
	}
}

func TestRefusals(t *testing.T) {
	s := &fake{}
	c := serve(t, s)
	_, err := c.Open(context.Background(), integration.Object{Bucket: "b", Key: "none"}, 0)
	var failed *integration.Error
	if !errors.As(err, &failed) || failed.Name != "S3.NoSuchKeyException" || failed.Cause != "The specified key does not exist. (Service: S3, Status Code: 404, Request ID: R)" {
		t.Errorf("%v", err)
	}
	s.status = http.StatusServiceUnavailable
	if _, err = c.Open(context.Background(), key, 0); err == nil || errors.As(err, &failed) {
		t.Errorf("what may go well another time is final: %v", err)
	}
	if _, err := c.List(context.Background(), integration.Listing{Bucket: "b", Limit: 1}); err == nil {
		t.Error("a list of a server that refuses")
	}
	if err := c.Put(context.Background(), key, nil); err == nil {
		t.Error("a server that refuses took an object")
	}
}

func TestList(t *testing.T) {
	c := serve(t, &fake{})
	first, err := c.List(context.Background(), integration.Listing{Bucket: "b", Prefix: "a b/", Limit: 3})
	want := integration.Entry{Key: "a b/3", ETag: `"e"`, LastModified: 60, Size: 7, StorageClass: "STANDARD"}
	if err != nil || first.Next != "next" || len(first.Objects) != 1 || first.Objects[0] != want {
		t.Errorf("%+v, %v", first, err)
	}
	last, err := c.List(context.Background(), integration.Listing{Bucket: "b", After: first.Next, Limit: 3})
	if err != nil || last.Next != "" || last.Objects[0].Key != "next3" {
		t.Errorf("%+v, %v", last, err)
	}
}

func TestPut(t *testing.T) {
	s := &fake{}
	if err := serve(t, s).Put(context.Background(), integration.Object{Bucket: "b", Key: "a+b/c d"}, []byte("text")); err != nil || s.put != "/b/a%2Bb/c%20d text" {
		t.Errorf("%q, %v", s.put, err)
	}
}
