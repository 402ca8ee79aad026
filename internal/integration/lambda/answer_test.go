package lambda

import (
	"strings"
	"sync"
	"testing"

	"github.com/backstep/backstep/internal/value"
)

// A text that was put together is its own: what is put together later, or by
// others meanwhile, does not change it.
func TestPut(t *testing.T) {
	made := func(s string) value.Text {
		return put(func(dst []byte) []byte { return value.AppendString(dst, s) })
	}
	var all sync.WaitGroup
	for _, s := range []string{"a", "b", strings.Repeat("c", 100<<10), ""} {
		all.Go(func() {
			first := made(s)
			for range 100 {
				made("something else altogether")
			}
			if got := first.Decode().AsString(); got != s {
				t.Errorf("%d bytes became %q", len(s), got[:min(len(got), 40)])
			}
		})
	}
	all.Wait()
}
