// Package s3 keeps objects in a server of the S3 protocol, for what distributed
// Maps read and write. It refuses to know what is in objects.
//
// Read s3.go.
package s3

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/backstep/backstep/internal/integration"
)

// Signer signs a request of that body for an AWS service.
type Signer interface {
	Sign(r *http.Request, body []byte, service string) error
}

// Config is what a client is told.
type Config struct {
	Endpoint string // of the server; buckets are the first part of its paths
	Signer   Signer // nil: unsigned
}

// Client is [integration.Objects] of a server. It may be used by many at once.
type Client struct {
	endpoint string
	signer   Signer
	client   *integration.Client
}

// The bounds of an exchange. An object is read by parts, so that a connection
// need not wait for whoever reads.
const (
	firstPart  = 64 << 10 // of an object that is opened: often all of it
	mostListed = 1000     // objects in a page of a list: no server gives more
	maxListing = 4 << 20
	maxRefusal = 64 << 10
	patience   = time.Minute
)

// New is a client of a server.
func New(c Config) *Client {
	return &Client{
		endpoint: strings.TrimRight(c.Endpoint, "/"), signer: c.Signer,
		client: integration.NewClient(integration.ClientConfig{}),
	}
}

// Close lets go of the connections kept.
func (c *Client) Close() { c.client.Close() }

// Open implements [integration.Objects].
func (c *Client) Open(ctx context.Context, o integration.Object) (integration.Content, error) {
	r := &object{client: c, object: o}
	a, err := r.get(ctx, 0, firstPart)
	switch {
	case err != nil:
		return nil, err
	case a.Status == http.StatusPartialContent:
		_, of, _ := strings.Cut(a.Header.Get("Content-Range"), "/")
		if r.size, err = strconv.ParseInt(of, 10, 64); err != nil {
			return nil, fmt.Errorf("the server does not tell the size of an object: Content-Range %q", a.Header.Get("Content-Range"))
		}
	case a.Status == http.StatusOK && !a.Cut: // all of it
		r.size = int64(len(a.Body))
	case a.Status == http.StatusOK:
		return nil, fmt.Errorf("the server sends an object of more than %d bytes whole", firstPart)
	case a.Status != http.StatusRequestedRangeNotSatisfiable: // which an empty one answers
		return nil, refusal(a)
	}
	if a.Status != http.StatusRequestedRangeNotSatisfiable {
		r.first, r.tag = a.Body, a.Header.Get("ETag")
	}
	return r, nil
}

// object is an object that is open.
type object struct {
	client *Client
	object integration.Object
	size   int64
	first  []byte // its beginning
	tag    string // what the parts are of: an object that was written anew meanwhile has another
}

// Size implements [integration.Content].
func (r *object) Size() int64 { return r.size }

// ETag implements [integration.Content].
func (r *object) ETag() string { return r.tag }

// Close implements [io.Closer].
func (r *object) Close() error { return nil }

// ReadAt implements [integration.Content].
func (r *object) ReadAt(ctx context.Context, b []byte, at int64) (int, error) {
	read := 0
	if at < int64(len(r.first)) {
		read = copy(b, r.first[at:])
	}
	most := min(int64(len(b)-read), r.size-at-int64(read))
	if most > 0 {
		a, err := r.get(ctx, at+int64(read), int(most))
		switch {
		case err != nil:
			return read, err
		case a.Status != http.StatusPartialContent:
			return read, refusal(a)
		case int64(len(a.Body)) != most:
			return read, fmt.Errorf("the server sent %d bytes of %d", len(a.Body), most)
		}
		read += copy(b[read:], a.Body)
	}
	if read < len(b) {
		return read, io.EOF
	}
	return read, nil
}

// get asks for a part of the object.
func (r *object) get(ctx context.Context, at int64, bytes int) (*integration.Answer, error) {
	q := url.Values{}
	if r.object.Version != "" {
		q.Set("versionId", r.object.Version)
	}
	header := owned(r.object.Owner)
	header.Set("Range", fmt.Sprintf("bytes=%d-%d", at, at+int64(bytes)-1))
	if r.tag != "" {
		header.Set("If-Match", r.tag)
	}
	return r.client.do(ctx, http.MethodGet, r.object.Bucket, r.object.Key, q, header, nil, bytes)
}

// owned asks that a bucket belongs to an account.
func owned(account string) http.Header {
	header := http.Header{}
	if account != "" {
		header.Set("X-Amz-Expected-Bucket-Owner", account)
	}
	return header
}

// listing is the answer of ListObjectsV2.
type listing struct {
	IsTruncated bool
	Contents    []struct {
		Key, ETag, StorageClass string
		LastModified            time.Time
		Size                    int64
	}
}

// List implements [integration.Objects].
func (c *Client) List(ctx context.Context, l integration.Listing) (integration.Listed, error) {
	q := url.Values{"list-type": {"2"}, "max-keys": {strconv.Itoa(min(l.Limit, mostListed))}, "prefix": {l.Prefix}}
	if l.After != "" {
		q.Set("start-after", l.After)
	}
	a, err := c.do(ctx, http.MethodGet, l.Bucket, "", q, owned(l.Owner), nil, maxListing)
	var page integration.Listed
	if err != nil {
		return page, err
	}
	if a.Status != http.StatusOK {
		return page, refusal(a)
	}
	var told listing
	if err := xml.Unmarshal(a.Body, &told); err != nil || a.Cut {
		return page, fmt.Errorf("a list of objects can't be read: %w", errors.Join(err))
	}
	for _, o := range told.Contents {
		page.Objects = append(page.Objects, integration.Entry{
			Key: o.Key, ETag: o.ETag, LastModified: o.LastModified.Unix(), Size: o.Size, StorageClass: o.StorageClass,
		})
	}
	if n := len(told.Contents); told.IsTruncated && n > 0 {
		page.Next = told.Contents[n-1].Key
	}
	return page, nil
}

// Put implements [integration.Objects].
func (c *Client) Put(ctx context.Context, o integration.Object, body []byte) error {
	a, err := c.do(ctx, http.MethodPut, o.Bucket, o.Key, nil, owned(o.Owner), body, maxRefusal)
	if err == nil && a.Status != http.StatusOK {
		err = refusal(a)
	}
	return err
}

// do makes one exchange.
func (c *Client) do(ctx context.Context, method, bucket, key string, q url.Values, header http.Header, body []byte, limit int) (*integration.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	address := c.endpoint + "/" + escape(bucket)
	if key != "" {
		address += "/" + escape(key)
	}
	if len(q) > 0 {
		address += "?" + strings.ReplaceAll(q.Encode(), "+", "%20")
	}
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	if c.signer != nil {
		if err := c.signer.Sign(r, body, "s3"); err != nil {
			return nil, err
		}
	}
	return c.client.Exchange(r, limit)
}

// escape escapes a path as signatures have it: all but slashes and what is
// unreserved.
func escape(path string) string {
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~/", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// refusal is an answer as an error: final where the request was wrong.
func refusal(a *integration.Answer) error {
	var told struct{ Code, Message, RequestId string }
	_ = xml.Unmarshal(a.Body, &told) // without a body the status tells
	if told.Code == "" {
		told.Code, told.Message = strconv.Itoa(a.Status), a.Reason
	}
	cause := fmt.Sprintf("%s (Service: S3, Status Code: %d, Request ID: %s)", told.Message, a.Status, told.RequestId)
	if a.Status >= 500 || a.Status == http.StatusTooManyRequests {
		return errors.New(cause)
	}
	return integration.NewError("S3."+told.Code+"Exception", cause, a.Effect())
}
