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
	partSize   = 1 << 20
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

// Open implements [integration.Objects]. That the object is not there shows
// here.
func (c *Client) Open(ctx context.Context, o integration.Object, from int64) (io.ReadCloser, error) {
	r := &object{client: c, context: ctx, object: o, at: from}
	if err := r.fetch(); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return r, nil
}

// object is an object that is being read.
type object struct {
	client  *Client
	context context.Context
	object  integration.Object
	at      int64 // byte after part
	part    []byte
	over    bool   // part is the last
	tag     string // what the parts are of: an object that was written anew meanwhile has another
}

func (r *object) Read(b []byte) (int, error) {
	if len(r.part) == 0 {
		if err := r.fetch(); err != nil {
			return 0, err
		}
	}
	n := copy(b, r.part)
	r.part = r.part[n:]
	return n, nil
}

// Close implements [io.Closer].
func (r *object) Close() error {
	r.part, r.over = nil, true
	return nil
}

// fetch gets the next part; io.EOF where there is none.
func (r *object) fetch() error {
	if r.over {
		return io.EOF
	}
	q := url.Values{}
	if r.object.Version != "" {
		q.Set("versionId", r.object.Version)
	}
	header := http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", r.at, r.at+partSize-1)}}
	if r.tag != "" {
		header.Set("If-Match", r.tag)
	}
	a, err := r.client.do(r.context, http.MethodGet, r.object.Bucket, r.object.Key, q, header, nil, partSize)
	if err != nil {
		return err
	}
	switch a.Status {
	case http.StatusPartialContent:
		r.part = a.Body
		r.over = len(a.Body) < partSize
	case http.StatusRequestedRangeNotSatisfiable:
		r.over = true
		return io.EOF
	case http.StatusOK: // a server that knows no ranges
		if a.Cut {
			return fmt.Errorf("the server sends an object of more than %d bytes whole", partSize)
		}
		r.part = a.Body[min(r.at, int64(len(a.Body))):]
		r.over = true
	default:
		return refusal(a)
	}
	r.tag = a.Header.Get("ETag")
	r.at += int64(len(r.part))
	if len(r.part) == 0 {
		return io.EOF
	}
	return nil
}

// listing is the answer of ListObjectsV2.
type listing struct {
	IsTruncated           bool
	NextContinuationToken string
	Contents              []struct {
		Key, ETag, StorageClass string
		LastModified            time.Time
		Size                    int64
	}
}

// List implements [integration.Objects].
func (c *Client) List(ctx context.Context, l integration.Listing) (integration.Listed, error) {
	q := url.Values{"list-type": {"2"}, "max-keys": {strconv.Itoa(l.Limit)}, "prefix": {l.Prefix}}
	if l.After != "" {
		q.Set("continuation-token", l.After)
	}
	a, err := c.do(ctx, http.MethodGet, l.Bucket, "", q, nil, nil, maxListing)
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
	if told.IsTruncated {
		page.Next = told.NextContinuationToken
	}
	return page, nil
}

// Put implements [integration.Objects].
func (c *Client) Put(ctx context.Context, o integration.Object, body []byte) error {
	a, err := c.do(ctx, http.MethodPut, o.Bucket, o.Key, nil, nil, body, maxRefusal)
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
