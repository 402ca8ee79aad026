package shop

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
)

// Several processes of a service open its database for the first time at once.
func TestOpenAtOnce(t *testing.T) {
	for round := range 30 {
		t.Setenv("DATABASE", filepath.Join(t.TempDir(), fmt.Sprint(round)))
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				db, err := Open("CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY)")
				if err != nil {
					t.Errorf("round %d: %v", round, err)
					return
				}
				db.Close()
			})
		}
		all.Wait()
	}
}
