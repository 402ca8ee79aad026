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
		fmt.Fprintf(w, `<ListBucketResult><IsTruncated>%v</IsTruncated><Contents><Key>%s</Key>
			<LastModified>1970-01-01T00:01:00.000Z</LastModified><ETag>&quot;e&quot;</ETag><Size>7</Size><StorageClass>STANDARD</StorageClass></Contents></ListBucketResult>`,
			q.Get("start-after") == "", q.Get("prefix")+q.Get("start-after")+q.Get("max-keys"))
	case r.URL.EscapedPath() != "/b/k%20y":
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><RequestId>R</RequestId></Error>`)
	default:
		if owner := r.Header.Get("X-Amz-Expected-Bucket-Owner"); owner != "" && owner != "111111111111" {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `<Error><Code>AccessDenied</Code><Message>Access Denied</Message><RequestId>R</RequestId></Error>`)
			return
		}
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

// at is what is read of an object from a byte on.
func at(c integration.Content, from int64, n int) ([]byte, error) {
	b := make([]byte, n)
	n, err := c.ReadAt(context.Background(), b, from)
	return b[:n], err
}

// An object is read by parts, anywhere in it. What came when it was opened is not
// asked for again.
func TestOpen(t *testing.T) {
	s := &fake{body: []byte(strings.Repeat("0123456789", 25_000))}
	c := serve(t, s)
	o, err := c.Open(context.Background(), key)
	if err != nil || o.Size() != int64(len(s.body)) || o.ETag() != `"250000"` {
		t.Fatalf("%+v, %v", o, err)
	}
	for _, part := range []struct {
		from  int64
		n     int
		end   error
		asked string
	}{
		{0, 100, nil, ""}, {65_000, 1000, nil, "bytes=65536-65999"}, {100_007, 5000, nil, "bytes=100007-105006"},
		{249_990, 10, nil, "bytes=249990-249999"}, {249_990, 11, io.EOF, "bytes=249990-249999"}, {250_000, 1, io.EOF, ""},
	} {
		s.ranges = nil
		got, err := at(o, part.from, part.n)
		want := s.body[part.from:min(part.from+int64(part.n), o.Size())]
		if err != part.end || !bytes.Equal(got, want) || strings.Join(s.ranges, " ") != part.asked {
			t.Errorf("from %d: %d bytes, %v, asked for %v", part.from, len(got), err, s.ranges)
		}
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	s.body = nil
	if o, err = c.Open(context.Background(), key); err != nil || o.Size() != 0 {
		t.Errorf("an empty object: %v, %v", o, err)
	}
}

// An object that is written anew while it is read is not read as a mixture.
func TestObjectChanges(t *testing.T) {
	s := &fake{body: make([]byte, 2<<20)}
	o, err := serve(t, s).Open(context.Background(), key)
	if err != nil {
		t.Fatal(err)
	}
	s.body = make([]byte, 3<<20)
	if _, err := at(o, 1<<20, 10); err == nil {
		t.Error("parts of two objects were read as one")
	}
}

func TestOwner(t *testing.T) {
	c := serve(t, &fake{})
	for owner, refused := range map[string]bool{"111111111111": false, "222222222222": true, "": false} {
		o := key
		o.Owner = owner
		if _, err := c.Open(context.Background(), o); (err != nil) != refused {
			t.Errorf("bucket of %q: %v", owner, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	s := &fake{}
	c := serve(t, s)
	_, err := c.Open(context.Background(), integration.Object{Bucket: "b", Key: "none"})
	var failed *integration.Error
	if !errors.As(err, &failed) || failed.Name != "S3.NoSuchKeyException" || failed.Cause != "The specified key does not exist. (Service: S3, Status Code: 404, Request ID: R)" {
		t.Errorf("%v", err)
	}
	s.status = http.StatusServiceUnavailable
	if _, err = c.Open(context.Background(), key); err == nil || errors.As(err, &failed) {
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
	if err != nil || first.Next != "a b/3" || len(first.Objects) != 1 || first.Objects[0] != want {
		t.Errorf("%+v, %v", first, err)
	}
	last, err := c.List(context.Background(), integration.Listing{Bucket: "b", After: first.Next, Limit: 3})
	if err != nil || last.Next != "" || last.Objects[0].Key != "a b/33" {
		t.Errorf("%+v, %v", last, err)
	}
}

func TestPut(t *testing.T) {
	s := &fake{}
	if err := serve(t, s).Put(context.Background(), integration.Object{Bucket: "b", Key: "a+b/c d"}, []byte("text")); err != nil || s.put != "/b/a%2Bb/c%20d text" {
		t.Errorf("%q, %v", s.put, err)
	}
}
