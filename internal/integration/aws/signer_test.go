package aws

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

func TestSign(t *testing.T) {
	credentials := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: "session"}, nil
	})
	noon := func() time.Time { return time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC) }
	signer := newSigner(credentials, "us-east-1", noon)
	sign := func(body string) http.Header {
		r, _ := http.NewRequest("POST", "https://lambda.example.com/2015-03-31/functions/f/invocations", strings.NewReader(body))
		if err := signer.Sign(r, []byte(body), "lambda"); err != nil {
			t.Fatal(err)
		}
		return r.Header
	}
	a, b := sign(`{}`), sign(`[]`)
	scope := "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261120/us-east-1/lambda/aws4_request, "
	if got := a.Get("Authorization"); !strings.HasPrefix(got, scope) {
		t.Errorf("Authorization %q does not begin with %q", got, scope)
	}
	if a.Get("X-Amz-Date") != "20261120T120000Z" || a.Get("X-Amz-Security-Token") != "session" {
		t.Errorf("signed headers %v", a)
	}
	if a.Get("Authorization") == b.Get("Authorization") {
		t.Error("two bodies have one signature")
	}
}

func TestSignWithoutCredentials(t *testing.T) {
	missing := errors.New("none found")
	none := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, missing
	})
	signer := newSigner(none, "us-east-1", time.Now)
	r, _ := http.NewRequest("POST", "https://sns.example.com/", nil)
	if err := signer.Sign(r, nil, "sns"); !errors.Is(err, missing) {
		t.Errorf("got %v, want %v", err, missing)
	}
}

func TestNewSignerTakesTheEnvironment(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	signer, err := NewSigner(t.Context(), "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	r, _ := http.NewRequest("POST", "http://127.0.0.1:1/", nil)
	if err := signer.Sign(r, nil, "sns"); err != nil {
		t.Fatal(err)
	}
	if got := r.Header.Get("Authorization"); !strings.Contains(got, "Credential=test/") || !strings.Contains(got, "/eu-west-1/sns/") {
		t.Errorf("Authorization %q", got)
	}
}

// TestHandlersSign: other rooms sign with the credentials of AWS's own clients,
// for where AWS has its services.
func TestHandlersSign(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	h := New(Config{Region: "cn-north-1"})
	defer h.Close()
	r, err := http.NewRequest(http.MethodGet, Endpoint("s3", "cn-north-1")+"/bucket/key", nil)
	if err == nil {
		err = h.Sign(r, nil, "s3")
	}
	if err != nil || r.URL.Host != "s3.cn-north-1.amazonaws.com.cn" || !strings.Contains(r.Header.Get("Authorization"), "/cn-north-1/s3/aws4_request") {
		t.Errorf("%v, %v, %v", r.URL, r.Header, err)
	}
	t.Setenv("AWS_CONFIG_FILE", t.TempDir())
	t.Setenv("AWS_PROFILE", "none")
	if err := New(Config{Region: "us-east-1"}).Sign(r, nil, "s3"); err == nil {
		t.Error("signed for a profile that is not there")
	}
}
