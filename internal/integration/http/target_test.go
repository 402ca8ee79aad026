package httptask

import (
	"testing"

	"github.com/backstep/backstep/internal/value"
)

// A call goes to its connection, or to its host.
func TestTarget(t *testing.T) {
	for request, want := range map[string]string{
		`{"ApiEndpoint":"https://api.example.com/a?b=c","Method":"GET"}`:                                                         "api.example.com",
		`{"ApiEndpoint":"http://127.0.0.1:9000/a","Method":"GET"}`:                                                               "127.0.0.1:9000",
		`{"ApiEndpoint":"https://x/","InvocationConfig":{"ConnectionArn":"arn:aws:events:us-east-1:1:connection/Payments/abc"}}`: "Payments",
		`{"ApiEndpoint":"https://x/","Authentication":{"ConnectionArn":"Payments"}}`:                                             "Payments",
		`{"ApiEndpoint":"://"}`: "", `{"ApiEndpoint":7}`: "", `[]`: "",
	} {
		if got := new(Handler).Target("invoke", "", value.Checked(request)); got != want {
			t.Errorf("%s: %q", request, got)
		}
	}
}
