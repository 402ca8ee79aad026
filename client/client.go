// Package client speaks the API of Backstep over HTTP: [Client] is an [api.Service], [Worker] works at an activity, and the iterators of page.go
// walk through lists.
//
// It speaks to AWS Step Functions as well, but for our own operations. It knows nothing of how the service works, and of what is in a definition,
// an input or an output.
//
// Read client.go first, then call.go, service.go, send.go, page.go, worker.go.
package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/backstep/backstep/api"
)

// DefaultEndpoint is where a server listens if nobody says otherwise.
const DefaultEndpoint = "http://127.0.0.1:8083"

// Config is all that a client is made of. The zero Config speaks to [DefaultEndpoint] with what the environment says.
type Config struct {
	Endpoint    string       // URL of the server; DefaultEndpoint where empty
	Region      string       // of signatures; where empty AWS_REGION, AWS_DEFAULT_REGION, or us-east-1
	Credentials Credentials  // where empty those of the environment
	HTTPClient  *http.Client // where nil one of its own, with connections kept for many calls at once

	Timeout  time.Duration // of one call when its context has no deadline; 30 s where 0. Long calls get what they may take on top
	Attempts int           // how often a call is tried that is known to have had no effect, or to have the same again; 3 where 0
}

// Credentials are an access key. Without one, requests are not signed, which a server without keys takes.
type Credentials struct {
	AccessKeyID     string // where empty AWS_ACCESS_KEY_ID
	SecretAccessKey string // where empty AWS_SECRET_ACCESS_KEY
	SessionToken    string // where empty AWS_SESSION_TOKEN; may be empty
}

// Client is the API over HTTP. It may be used by many goroutines at once.
//
// What the server answers as an error comes as an [*api.Error]; any other error says that it was not reached or did not answer in the protocol,
// and then it is not known whether the call had its effect.
type Client struct {
	endpoint    *url.URL
	region      string
	credentials aws.Credentials // without keys: requests are not signed
	signer      *v4.Signer
	http        *http.Client
	timeout     time.Duration
	attempts    int
}

var _ api.Service = (*Client)(nil)

// New makes a client. It fails when the endpoint is no URL of HTTP, or half an access key is given.
func New(c Config) (*Client, error) {
	endpoint, err := url.Parse(first(c.Endpoint, DefaultEndpoint))
	if err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	if endpoint.Scheme != "http" && endpoint.Scheme != "https" || endpoint.Host == "" {
		return nil, fmt.Errorf("endpoint %q is not of the form http://host:port", endpoint)
	}
	if endpoint.RawQuery != "" || endpoint.User != nil || endpoint.Path != "" && endpoint.Path != "/" {
		return nil, fmt.Errorf("endpoint %q has more than scheme, host and port", endpoint.Redacted())
	}
	endpoint.Path = "/"
	keys := c.Credentials
	if keys == (Credentials{}) {
		keys = Credentials{os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN")}
	}
	if (keys.AccessKeyID == "") != (keys.SecretAccessKey == "") {
		return nil, errors.New("credentials: an access key id and a secret access key belong together")
	}
	client := &Client{
		endpoint:    endpoint,
		region:      first(c.Region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), "us-east-1"),
		credentials: aws.Credentials{AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey, SessionToken: keys.SessionToken},
		signer:      v4.NewSigner(),
		http:        c.HTTPClient,
		timeout:     c.Timeout,
		attempts:    c.Attempts,
	}
	if client.http == nil {
		client.http = &http.Client{Transport: newTransport()}
	}
	if client.timeout == 0 {
		client.timeout = 30 * time.Second
	}
	if client.attempts == 0 {
		client.attempts = 3
	}
	return client, nil
}

// newTransport keeps a connection for each of many calls at once: the standard's two would be opened and closed all the time.
func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns = 2048
	t.MaxIdleConnsPerHost = 2048
	t.IdleConnTimeout = 90 * time.Second
	t.DisableCompression = true
	return t
}

// first is the first text that is not empty.
func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// Close closes the connections that nobody uses.
func (c *Client) Close() { c.http.CloseIdleConnections() }
