package cli_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/cli"
)

// full is a disk with room for so many bytes more.
type full struct{ room int }

func (f *full) Write(b []byte) (int, error) {
	if len(b) > f.room {
		return 0, errors.New("no space left on device")
	}
	f.room -= len(b)
	return len(b), nil
}

// TestOutputIsLost: a command whose answer could not be written whole does not say
// that all is well.
func TestOutputIsLost(t *testing.T) {
	for room, want := range map[int]int{0: cli.ExitUsage, 10: cli.ExitUsage, 1 << 20: cli.ExitYes} {
		for _, command := range []string{"version", "completion bash"} {
			if room == 10 && command == "version" {
				continue // it fits
			}
			var said bytes.Buffer
			code := cli.Run(t.Context(), strings.Fields(command), cli.Tools{Stdin: strings.NewReader(""), Stdout: &full{room}, Stderr: io.Writer(&said), Version: "1"})
			if code != want || strings.Contains(said.String(), "no space left") != (want != cli.ExitYes) {
				t.Errorf("%s with room for %d bytes: exit code %d, said %q", command, room, code, said.String())
			}
		}
	}
}
