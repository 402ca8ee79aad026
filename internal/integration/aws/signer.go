package aws

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
)

// Signer signs requests to AWS's services with Signature Version 4. It may be
// used by many at once.
type Signer struct {
	credentials aws.CredentialsProvider
	region      string
	now         func() time.Time
	v4          *v4.Signer
}

// NewSigner is a signer with the credentials that AWS's own clients would use:
// environment, shared files, web identity, instance. They are looked up when
// first needed.
func NewSigner(ctx context.Context, region string) (*Signer, error) {
	c, err := config.LoadDefaultConfig(ctx, config.WithRegion(region))
	if err != nil {
		return nil, fmt.Errorf("credentials for AWS: %w", err)
	}
	return newSigner(c.Credentials, region, time.Now), nil
}

func newSigner(credentials aws.CredentialsProvider, region string, now func() time.Time) *Signer {
	return &Signer{credentials: credentials, region: region, now: now, v4: v4.NewSigner()}
}

// Sign signs a request of that body for a service ("lambda", "sns").
func (s *Signer) Sign(r *http.Request, body []byte, service string) error {
	return s.sign(r, string(body), scope{service: service, region: s.region, s3: service == "s3"})
}

// scope is what a signature holds for: a service in a region. S3 signs paths as
// they are and is told the body's hash.
type scope struct {
	service, region string
	s3              bool
}

func (s *Signer) sign(r *http.Request, body string, in scope) error {
	credentials, err := s.credentials.Retrieve(r.Context())
	if err != nil {
		return fmt.Errorf("credentials for AWS: %w", err)
	}
	sum := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(sum[:])
	if in.s3 {
		r.Header.Set("X-Amz-Content-Sha256", hash)
	}
	plain := func(o *v4.SignerOptions) { o.DisableURIPathEscaping = in.s3 }
	return s.v4.SignHTTP(r.Context(), credentials, r, hash, in.service, in.region, s.now(), plain)
}

// presign is the address of a request without a body that carries its signature
// itself.
func (s *Signer) presign(r *http.Request, in scope) (string, error) {
	credentials, err := s.credentials.Retrieve(r.Context())
	if err != nil {
		return "", fmt.Errorf("credentials for AWS: %w", err)
	}
	nothing := sha256.Sum256(nil)
	signed, _, err := s.v4.PresignHTTP(r.Context(), credentials, r, hex.EncodeToString(nothing[:]), in.service, in.region, s.now())
	return signed, err
}
