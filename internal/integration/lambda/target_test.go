package lambda

import (
	"testing"

	"github.com/backstep/backstep/internal/value"
)

// All ways to name a function lead to the same one.
func TestTarget(t *testing.T) {
	for _, c := range []struct{ action, resource, request, want string }{
		{"invoke", "arn:aws:states:::lambda:invoke", `{"FunctionName":"f","Payload":{"FunctionName":"g"}}`, "f"},
		{"invoke", "arn:aws:states:::lambda:invoke", `{"Payload":{},"FunctionName":"arn:aws:lambda:us-east-1:123456789012:function:f:live"}`, "f"},
		{"invoke", "arn:aws:states:::lambda:invoke", `{"FunctionName":"123456789012:function:f"}`, "f"},
		{"invoke", "arn:aws:states:::lambda:invoke", `{"FunctionName":7}`, ""},
		{"", "arn:aws:lambda:us-east-1:123456789012:function:f", `{"FunctionName":"g"}`, "f"},
	} {
		if got := new(Handler).Target(c.action, c.resource, value.Checked(c.request)); got != c.want {
			t.Errorf("%s %s: %q", c.resource, c.request, got)
		}
	}
}
