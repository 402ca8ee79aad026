// Package aws does the tasks that call AWS: every action of its SDK
// ("aws-sdk:dynamodb:putItem") and the integrations that the service has
// optimised ("sqs:sendMessage"), by one client that reads what it needs to know
// of a service from AWS's own description of it. It also signs the requests of
// other rooms.
//
// It refuses to know any one service beyond what the descriptions leave out: the
// few lines of S3's names of buckets and of Route 53's ids, and of what an
// optimised integration does with parameters and results. It sends nothing twice of its own accord.
//
// Read aws.go (the handlers) and client.go (one call), then request.go and
// encode.go (from parameters to HTTP), decode.go and decodexml.go (from HTTP to
// results), failure.go (errors), model.go, catalog.go and name.go (what a
// service is), endpoint.go, signer.go and role.go (where requests go, and for
// whom), optimised.go, gateway.go and emr.go, job.go with jobs.go (what goes on
// after the call that began it), kubernetes.go with kubernetesjob.go (the
// clusters of EKS), and mismatch.go (whether a mocked result is what a service
// answers).
package aws

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// Config is what the handlers are made of.
type Config struct {
	Region string
	// Lookup asks the environment, such as [os.LookupEnv], for endpoints:
	// AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL. nil: there are none.
	Lookup func(name string) (string, bool)
	// Self is the server that the SDK's own calls of Step Functions go to where
	// the environment names none; the zero Self is AWS's.
	Self      Self
	StrictAWS bool // services are told nothing that AWS does not tell
}

// Self is a server that speaks the Step Functions API, and a key that it takes.
type Self struct{ URL, KeyID, Secret string }

// Handlers do the tasks that call AWS. They may be used by many at once.
type Handlers struct{ client *client }

// New is the handlers of all of AWS. Models of services, and credentials, are
// looked up when they are first needed.
func New(c Config) *Handlers {
	if c.Lookup == nil {
		c.Lookup = func(string) (string, bool) { return "", false }
	}
	cl := &client{
		catalog: newCatalog(models), region: c.Region, strict: c.StrictAWS,
		http:      integration.NewClient(integration.ClientConfig{PerHost: poolSize}),
		endpoints: endpoints{lookup: c.Lookup, self: c.Self.URL, region: c.Region},
		signer:    sync.OnceValues(func() (*Signer, error) { return NewSigner(context.Background(), c.Region) }),
	}
	cl.self = newSigner(credentials.NewStaticCredentialsProvider(first(c.Self.KeyID, "backstep"), first(c.Self.Secret, "backstep"), ""), c.Region, time.Now)
	return &Handlers{cl}
}

// Close lets go of the connections kept.
func (h *Handlers) Close() { h.client.http.Close() }

// Sign signs a request of that body for a service ("s3") with the credentials
// that AWS's own clients would use.
func (h *Handlers) Sign(r *http.Request, body []byte, service string) error {
	s, err := h.client.signer()
	if err != nil {
		return err
	}
	return s.Sign(r, body, service)
}

// Register adds the handlers to a registry.
func (h *Handlers) Register(r *integration.Registry) {
	r.Add("aws-sdk:*", "*", &sdk{h.client}, integration.RequestResponse, integration.WaitForTaskToken)
	for i := range optimisedServices {
		s := &optimisedServices[i]
		handler := &optimised{client: h.client, service: s}
		for action := range s.actions {
			r.Add(s.name, action, handler, s.patterns...)
			j, runs := jobs[s.name+":"+action]
			if runs {
				r.Add(s.name, action, handler, integration.Sync)
			}
			if j.second {
				r.Add(s.name, action, handler, integration.Sync2)
			}
		}
	}
	clusters := &kubernetes{h.client}
	r.Add("eks", "call", clusters, integration.RequestResponse, integration.WaitForTaskToken)
	r.Add("eks", "runJob", clusters, integration.RequestResponse, integration.Sync, integration.WaitForTaskToken)
	r.Add("apigateway", "invoke", &gateway{h.client}, integration.RequestResponse, integration.WaitForTaskToken)
}

// sdk does the tasks that name an action of the SDK: "aws-sdk:sqs:sendMessage".
type sdk struct{ client *client }

const sdkPrefix = "aws-sdk:"

// Services are those that AWS has, in so far as they are described here.
func (s *sdk) Services() ([]string, error) {
	names, err := s.client.catalog.services()
	for i := range names {
		names[i] = sdkPrefix + names[i]
	}
	return names, err
}

// Chooses reports whether AWS has that action.
func (s *sdk) Chooses(service, action string) bool {
	m, o, err := s.client.catalog.operation(strings.TrimPrefix(service, sdkPrefix), action)
	return err == nil && m != nil && o != nil
}

// Call calls the action and answers with what the service answered.
func (s *sdk) Call(ctx context.Context, t integration.Task) (value.Text, error) {
	m, o, err := s.client.catalog.operation(strings.TrimPrefix(t.Service, sdkPrefix), t.Action)
	if err != nil {
		return value.Text{}, err
	}
	c := &call{client: s.client, task: t, model: m, operation: o, style: sdkStyle, words: sdkWords(m)}
	out, _, err := c.do(ctx, t.Request.Decode())
	if err != nil {
		return value.Text{}, err
	}
	return c.result(out.Object())
}
