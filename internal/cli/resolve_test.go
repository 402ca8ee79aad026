package cli_test

import (
	"bytes"
	"context"
	"os/user"
	"strings"
	"testing"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/cli"
)

// decider notes in whose name holds are resolved.
type decider struct {
	api.Service
	operator string
}

func (d *decider) ResolveHold(_ context.Context, in *api.ResolveHoldInput) (*api.ResolveHoldOutput, error) {
	d.operator = in.Operator
	return &api.ResolveHoldOutput{}, nil
}

// TestWhoDecides: the history tells who it was, also where the shell does not.
func TestWhoDecides(t *testing.T) {
	own, err := user.Current()
	if err != nil {
		t.Skip("nobody knows here who this is: ", err)
	}
	for _, said := range []string{"", "ada"} {
		t.Setenv("USER", said)
		want := own.Username
		if said != "" {
			want = said
		}
		d := new(decider)
		var out bytes.Buffer
		code := cli.Run(t.Context(), []string{"hold", "resolve", "Order:1", "1", "--retry", "--reason", "r"}, cli.Tools{
			Stdout: &out, Stderr: &out, Connect: func(string, string) (api.Service, error) { return d, nil },
		})
		if code != cli.ExitYes || !strings.HasPrefix(d.operator, want+"@") {
			t.Errorf("USER=%s: exit %d, in the name of %q: %s", said, code, d.operator, out.String())
		}
	}
}
