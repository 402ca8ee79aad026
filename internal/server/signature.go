package server

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/backstep/backstep/api"
)

// verifier holds requests against AWS Signature Version 4. It signs what was signed once more, with the secret that it knows, and compares.
type verifier struct {
	keys   map[string]string
	region string
	now    func() time.Time
	signer *v4.Signer
	decoy  string // stands in for the secret of a key that nobody knows
}

// The scope of signatures, and how far a client's clock may be off.
const (
	signedService    = "states"
	signingAlgorithm = "AWS4-HMAC-SHA256"
	signingTime      = "20060102T150405Z"
	maxSkew          = 5 * time.Minute
)

func newVerifier(keys map[string]string, region string, now func() time.Time) *verifier {
	return &verifier{keys: keys, region: region, now: now, signer: v4.NewSigner(), decoy: rand.Text()}
}

// signature is what the header Authorization says.
type signature struct {
	key, date, region, service, terminator string
	headers                                []string // signed ones, in lower case and sorted
	value                                  string   // hexadecimal
}

// check tells why the request, whose body is given, is not signed by one of the keys; nil when it is. A key that nobody knows and a wrong
// secret take the same time and the same words.
func (v *verifier) check(r *http.Request, body []byte) error {
	lines := r.Header["Authorization"]
	if len(lines) == 0 {
		return api.Errorf(api.CodeMissingAuthentication, "The request has no header Authorization; this server asks for a signature.")
	}
	s, ok := parseSignature(lines)
	if !ok {
		return refuseSignature("the header Authorization is not of the form that Signature Version 4 has")
	}
	at, err := v.checkScope(r, s)
	if err != nil {
		return err
	}
	if err := checkSigned(r, s); err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if declared := r.Header["X-Amz-Content-Sha256"]; len(declared) > 1 || len(declared) == 1 && declared[0] != hash {
		return refuseSignature("X-Amz-Content-Sha256 is not the hash of the body")
	}
	secret, known := v.keys[s.key]
	if !known {
		secret = v.decoy
	}
	expected, err := v.sign(r, s, secret, hash, int64(len(body)), at)
	if err != nil || !hmac.Equal([]byte(expected), []byte(s.value)) || !known {
		return refuseSignature("it is not the one that the access key gives; check the access key id and the secret")
	}
	return nil
}

func refuseSignature(why string) error {
	return api.Errorf(api.CodeInvalidSignature, "The request's signature is refused: %s.", why)
}

// parseSignature reads the header Authorization, of which there must be one.
func parseSignature(lines []string) (signature, bool) {
	if len(lines) != 1 || len(lines[0]) > 4096 {
		return signature{}, false
	}
	rest, ok := strings.CutPrefix(lines[0], signingAlgorithm+" ")
	parts := strings.Split(rest, ",")
	if !ok || len(parts) != 3 {
		return signature{}, false
	}
	credential, ok1 := strings.CutPrefix(strings.TrimSpace(parts[0]), "Credential=")
	headers, ok2 := strings.CutPrefix(strings.TrimSpace(parts[1]), "SignedHeaders=")
	value, ok3 := strings.CutPrefix(strings.TrimSpace(parts[2]), "Signature=")
	scope, names := strings.Split(credential, "/"), strings.Split(headers, ";")
	if !ok1 || !ok2 || !ok3 || len(scope) != 5 || !slices.IsSorted(names) {
		return signature{}, false
	}
	return signature{
		key: scope[0], date: scope[1], region: scope[2], service: scope[3], terminator: scope[4],
		headers: names, value: value,
	}, true
}

// checkScope holds time, place and service against ours, and gives the time of signing.
func (v *verifier) checkScope(r *http.Request, s signature) (time.Time, error) {
	dates := r.Header["X-Amz-Date"]
	if len(dates) != 1 {
		return time.Time{}, refuseSignature("the header X-Amz-Date must be there once")
	}
	at, err := time.Parse(signingTime, dates[0])
	switch {
	case err != nil || at.Format(signingTime) != dates[0]:
		return time.Time{}, refuseSignature("X-Amz-Date is not of the form YYYYMMDD'T'HHMMSS'Z'")
	case s.date != dates[0][:8]:
		return time.Time{}, refuseSignature("the date of the credential is not that of X-Amz-Date")
	case s.region != v.region || s.service != signedService || s.terminator != "aws4_request":
		return time.Time{}, refuseSignature("its scope must end in /" + v.region + "/" + signedService + "/aws4_request")
	case v.now().Sub(at).Abs() > maxSkew:
		return time.Time{}, refuseSignature("it is of " + dates[0] + ", more than 5 minutes from " + v.now().UTC().Format(signingTime))
	case r.URL.RawQuery != "":
		return time.Time{}, refuseSignature("a call has no query")
	}
	return at, nil
}

// checkSigned sees to it that nothing that matters can be changed under a signature: the host, the time, and all that begins with X-Amz-.
func checkSigned(r *http.Request, s signature) error {
	if !slices.Contains(s.headers, "host") || !slices.Contains(s.headers, "x-amz-date") {
		return refuseSignature("the headers host and x-amz-date must be signed")
	}
	for name, values := range r.Header {
		lower := strings.ToLower(name)
		if !strings.HasPrefix(lower, "x-amz-") {
			continue
		}
		if !slices.Contains(s.headers, lower) || len(values) != 1 {
			return refuseSignature("the header " + lower + " must be there once, and signed")
		}
	}
	return nil
}

// sign is the signature that the request would have with the secret.
func (v *verifier) sign(r *http.Request, s signature, secret, hash string, length int64, at time.Time) (string, error) {
	again := &http.Request{Method: r.Method, Host: r.Host, URL: &url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path}, Header: http.Header{}}
	for _, name := range s.headers {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = length
		default:
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	credentials := aws.Credentials{AccessKeyID: s.key, SecretAccessKey: secret}
	if err := v.signer.SignHTTP(context.Background(), credentials, again, hash, signedService, v.region, at); err != nil {
		return "", err
	}
	_, value, _ := strings.Cut(again.Header.Get("Authorization"), "Signature=")
	return value, nil
}
