package sweep

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/prove"
)

// shared is a file of the shared specifications, where they are at hand.
func shared(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(os.Getenv("BACKSTEP_SHARED"), name)
	if os.Getenv("BACKSTEP_SHARED") == "" {
		path = filepath.Join("..", "..", "..", "shared", name)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("SKIPPED: %s is missing; set BACKSTEP_SHARED", path)
	}
	return path
}

// TestCorpus holds proof and sweep against each other, of the published sagas.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob(shared(t, "corpus/real") + "/*.json")
	if err != nil {
		t.Fatal(err)
	}
	sample := shared(t, "seed-sample/definition.json")
	sagas := 0
	var table strings.Builder
	rows := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(rows, "saga\tstates\tproof\tconfirmed\tworlds\tsweep\tmissed by the proof")
	for i, file := range append([]string{sample, sample}, files...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d, _ := asl.Parse(text)
		if d == nil {
			continue
		}
		p, err := asl.Compile(d, asl.Rules{Distributed: true, Foreign: true, Serves: asl.OnAWS})
		if err != nil {
			continue
		}
		in, name := Input{Definition: text}, strings.TrimSuffix(filepath.Base(file), ".json")
		switch i {
		case 0:
			if in.Sidecar, err = prove.ParseSidecar(`{"Compensates": {"ProcessRefund": "ProcessPayment", "ReleaseInventory": "ReserveInventory", "UpdateOrderStatus": "ProcessOrder"}}`); err != nil {
				t.Fatal(err)
			}
		case 1:
			name += " by its names"
		}
		proof, err := prove.Prove(prove.Input{Program: p, Sidecar: in.Sidecar})
		if err != nil {
			t.Fatal(err)
		}
		if proof.Kind == prove.NoSaga {
			continue
		}
		sagas++
		t.Run(name, func(t *testing.T) {
			a := compare(t, p, in)
			fmt.Fprintf(rows, "%s\t%d\t%d\t%d\t%d\t%d\t%d\n", shortened(name), a.states, a.proof, a.confirmed, a.worlds, a.sweep, a.missed)
			if a.confirmed != a.proof {
				t.Errorf("%d of %d findings are confirmed", a.confirmed, a.proof)
			}
		})
	}
	if sagas < 10 {
		t.Errorf("%d sagas were swept", sagas)
	}
	rows.Flush()
	t.Log("\n" + table.String())
}

// shortened is a name as it fits into a table: whose it is, and its end.
func shortened(name string) string {
	const begin, end = 24, 34
	if len(name) <= begin+end {
		return name
	}
	return name[:begin] + "…" + name[len(name)-end:]
}
