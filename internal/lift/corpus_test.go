package lift_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/lift"
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

// orderPairs are those of the sample, whose names alone do not tell them.
const orderPairs = `{"Compensates": {"ProcessRefund": "ProcessPayment", "ReleaseInventory": "ReserveInventory", "UpdateOrderStatus": "ProcessOrder"}, "Pivot": "sns:NotifySuccess"}`

// published are published sagas, with how many of their pairs are converted, and
// how many findings the proof has before and after. Where nothing is, why holds a
// part of each reason.
var published = []struct {
	name                         string // a part of the file's
	pairs                        string // its sidecar; "": by names
	ignore                       []string
	of, converted, before, after int
	why                          []string
}{
	{"seed-sample", orderPairs, nil, 3, 0, 16, 0, []string{"it reads what ReleaseInventory answers", "ProcessPayment comes before it and stays", "it reads what ProcessRefund answers"}},
	{"seed-sample", orderPairs, []string{"ProcessPayment", "ReserveInventory", "ProcessRefund", "ReleaseInventory"}, 3, 3, 16, 0, nil},
	{"compensation-saga-pattern", "", nil, 2, 2, 7, 2, nil},
	{"semaphore-concurrency-lock", "", nil, 1, 0, 2, 0, []string{"runs when all goes well, too"}},
	{"aws-serverless-booking", "", nil, 1, 1, 7, 3, nil},
	{"summarize_transcription", "", nil, 1, 0, 6, 0, []string{"runs when all goes well, too"}},
	{"saga-pattern-serverless", "", nil, 2, 0, 12, 0, []string{"its answer may say no, which", "its answer may say no, which"}},
	{"saga-step-functions", "", nil, 3, 0, 9, 0, []string{"it reads what InventoryRollback answers", "it reads what PaymentRefund answers", "stays wired by hand"}},
	{"sam-java-sfn-definition", "", nil, 1, 1, 7, 2, nil},
	{"dynamodb-semaphore.json", "", nil, 1, 0, 5, 0, []string{"runs when all goes well, too"}},
	{"curbside-pickup", "", nil, 2, 0, 25, 0, []string{"it reads what SNS ReadyPickup answers", "its answer may say no"}},
	{"manage-emr-job", "", nil, 1, 0, 5, 0, []string{"runs when all goes well, too"}},
}

// TestPublished imports the published sagas: each result is valid, always the same,
// and never has a finding of a compensation that the import took over.
func TestPublished(t *testing.T) {
	files, err := filepath.Glob(shared(t, "corpus/real") + "/*.json")
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, shared(t, "seed-sample/definition.json"))
	var table strings.Builder
	rows := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(rows, "saga\tpairs\tconverted\tfindings before\tafter")
	for _, saga := range published {
		at := slices.IndexFunc(files, func(f string) bool { return strings.Contains(f, saga.name) })
		if at < 0 {
			t.Errorf("there is no file of %s", saga.name)
			continue
		}
		text, err := os.ReadFile(files[at])
		if err != nil {
			t.Fatal(err)
		}
		d, p := compiled(t, string(text))
		side := prove.Propose(p)
		if saga.pairs != "" {
			if side, err = prove.ParseSidecar(saga.pairs); err != nil {
				t.Fatal(err)
			}
		}
		o := optionsOf(side)
		o.IgnoreAnswers = saga.ignore
		i, err := lift.Import(d, p, o)
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := lift.Import(d, p, o); again.Definition != i.Definition || !slices.Equal(again.Left, i.Left) {
			t.Errorf("%s is imported in two ways", saga.name)
		}
		before, after, shown := proven(t, p, side), 0, "nothing converted"
		if i.Definition != "" {
			_, q := compiled(t, i.Definition)
			r := proven(t, q, remaining(side, q))
			after = len(r.Findings)
			shown = fmt.Sprint(after)
			t.Logf("%s: %s", saga.name, rules(r))
		}
		pairs := 0
		for _, c := range side.Compensates {
			pairs += len(c.Steps)
		}
		fmt.Fprintf(rows, "%s\t%d\t%d\t%d\t%s\n", saga.name, pairs, i.Converted, len(before.Findings), shown)
		if pairs != saga.of || i.Converted != saga.converted || len(before.Findings) != saga.before || after != saga.after {
			t.Errorf("%s: %d of %d pairs, findings before %d, after %d; want %d of %d, %d, %d", saga.name,
				i.Converted, pairs, len(before.Findings), after, saga.converted, saga.of, saga.before, saga.after)
		}
		if len(i.Left) != len(saga.why) {
			t.Errorf("%s: left for %d reasons: %v", saga.name, len(i.Left), i.Left)
			continue
		}
		for n, left := range i.Left {
			if !slices.ContainsFunc(saga.why, func(why string) bool { return strings.Contains(left.Message, why) }) {
				t.Errorf("%s: reason %d is not foreseen: %s: %s", saga.name, n, left.State, left.Message)
			}
		}
	}
	rows.Flush()
	t.Log("\n" + table.String())
}

func proven(t *testing.T, p *asl.Program, s *prove.Sidecar) *prove.Report {
	t.Helper()
	r, err := prove.Prove(prove.Input{Program: p, Sidecar: s})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestAnyPairs imports the published definitions with pairs drawn by chance: whatever
// is said to undo what, the import ends, and what it writes is valid.
func TestAnyPairs(t *testing.T) {
	files, err := filepath.Glob(shared(t, "corpus/real") + "/*.json")
	if err != nil {
		t.Fatal(err)
	}
	imported, converted := 0, 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d, _ := asl.Parse(text)
		if d == nil {
			continue
		}
		p, err := asl.Compile(d, asl.Rules{Distributed: true, Foreign: true, Serves: asl.OnAWS})
		if err != nil || p.HasSagas() {
			continue
		}
		var tasks []string
		for _, s := range p.Order {
			if s.Type == asl.Task {
				tasks = append(tasks, s.Name)
			}
		}
		c := rand.New(rand.NewPCG(uint64(len(text)), 66))
		for range 60 {
			c.Shuffle(len(tasks), func(i, j int) { tasks[i], tasks[j] = tasks[j], tasks[i] })
			o := lift.Options{}
			for i := 0; i+1 < len(tasks) && i < 2*(1+c.IntN(3)); i += 2 {
				o.Compensates = append(o.Compensates, lift.Pair{State: tasks[i], Steps: []string{tasks[i+1]}})
			}
			if c.IntN(2) == 0 {
				o.IgnoreAnswers = tasks
			}
			if len(tasks) > 0 && c.IntN(2) == 0 {
				o.Pivot = tasks[c.IntN(len(tasks)):][:1]
				o.KnownFailed = []lift.Names{{State: tasks[c.IntN(len(tasks))], Errors: []string{"Busy"}}}
			}
			if choice := p.Order[c.IntN(len(p.Order))]; choice.Choice != nil && len(tasks) > 0 {
				o.Refusals = []lift.Refusal{{Choice: choice.Name, Next: choice.Choice.Rules[0].Next.Name, Step: tasks[0]}}
			}
			i, err := lift.Import(d, p, o)
			if err != nil {
				continue
			}
			imported++
			if i.Definition != "" {
				converted++
				compiled(t, i.Definition)
			}
		}
	}
	t.Logf("%d imported, %d with a pair that was converted", imported, converted)
	if converted < 100 {
		t.Error("too little was converted")
	}
}
