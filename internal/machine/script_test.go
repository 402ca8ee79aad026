package machine

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

var update = flag.Bool("update", false, "rewrite what the scripts expect")

// TestScripts runs testdata/*.txtar. The comment above the first section sets
// the stage: "express", "parent", "limits name=n …". The section "definition"
// is the state machine. The name of each section after it is a command, its
// text what the execution then tells: the new events, the open jobs, the
// frames, and how it ended. See script.command for the verbs.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts: ", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runScript(t, file) })
	}
}

func runScript(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := newScript(t, string(archive.Comment))
	for i := range archive.Files {
		section := &archive.Files[i]
		if section.Name == "definition" {
			s.compile(string(section.Data))
			continue
		}
		got := s.command(section.Name)
		if !*update && got != string(section.Data) {
			t.Errorf("%s: after %q\n got:\n%s\nwant:\n%s", file, section.Name, got, section.Data)
		}
		section.Data = []byte(got)
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// script is an execution under test, with the store that it would have.
type script struct {
	t       *testing.T
	env     Env
	p       *asl.Program
	was     *asl.Program // before the definition was another one
	x       *Execution
	rows    map[string][]byte  // as a store would keep them
	texts   map[Ref]value.Text // every payload there ever was
	gone    map[string]bool
	undos   map[uint32][]byte // rows of the saga log, which no restart loads
	recalls int               // how often Step asked for more
	isRun   bool              // the execution is the map run that the machine of the definition starts
}

var scriptStart = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC).UnixMilli()

func newScript(t *testing.T, comment string) *script {
	start := Start{Account: "123456789012", Region: "us-east-1", Machine: "order", Name: "one", RoleARN: "arn:aws:iam::123456789012:role/r", At: scriptStart}
	for i := range start.ID {
		start.ID[i] = byte(i)
	}
	s := &script{t: t, gone: map[string]bool{}, texts: map[Ref]value.Text{}, rows: map[string][]byte{}, undos: map[uint32][]byte{}}
	s.env = Env{Now: scriptStart, TokenKey: []byte("a key of this test"), Limits: AWSLimits()}
	s.env.Gone = func(arn string) bool { return s.gone[arn] }
	for _, line := range strings.Split(comment, "\n") {
		switch word := strings.Fields(line); {
		case len(word) == 0 || word[0] == "#":
		case word[0] == "express":
			start.Express = true
		case word[0] == "strict":
			s.env.StrictAWS = true
		case word[0] == "run":
			s.isRun = true
		case word[0] == "parent":
			start.Parent, start.Depth = &Parent{ID: start.ID, Job: 7}, 1
		case word[0] == "limits":
			for _, setting := range word[1:] {
				name, n, _ := strings.Cut(setting, "=")
				number, err := strconv.Atoi(n)
				field := reflect.ValueOf(&s.env.Limits).Elem().FieldByName(name)
				if err != nil || !field.IsValid() {
					t.Fatal("no such limit: ", setting)
				}
				field.SetInt(int64(number))
			}
		default:
			t.Fatal("no such setting: ", line)
		}
	}
	s.x = New(start)
	return s
}

func (s *script) compile(text string) {
	s.t.Helper()
	d, problems := asl.Parse([]byte(text))
	if len(problems) > 0 {
		s.t.Fatal(asl.Render(problems))
	}
	p, err := asl.Compile(d, asl.Rules{Express: s.x.Start.Express, Distributed: true})
	if err != nil {
		s.t.Fatal(err)
	}
	s.was, s.p = s.p, p
}

// step proves of one message that Step leaves its arguments alone, that what
// it decides survives the disk, and that an execution read back from there
// goes on in the same way.
func (s *script) step(m Message) []Event {
	s.t.Helper()
	s.env.Seed[0]++
	before := snapshot(s.x)
	d := s.decide(s.x, m)
	if snapshot(s.x) != before {
		s.t.Errorf("Step changed the execution it was given (message %d)", m.Kind)
	}
	if s.x.Head.Status != 0 {
		again := s.decide(s.restored(), m)
		if a, b := deltaText(s.t, d), deltaText(s.t, again); a != b {
			s.t.Errorf("an execution read back goes another way:\n%s\n%s", a, b)
		}
	}
	if d.IsEmpty() {
		return nil
	}
	s.store(d)
	s.x.Apply(d)
	for _, ref := range s.x.Needs() { // what is asked again
		s.x.Payloads[ref] = s.texts[ref]
	}
	if back := s.restored(); snapshot(back) != snapshot(s.x) {
		s.t.Errorf("read back:\n%s\nin memory:\n%s", snapshot(back), snapshot(s.x))
	}
	return d.Events
}

// decide is Step, with what it asks for lent.
func (s *script) decide(x *Execution, m Message) Delta {
	for range 100_000 {
		d := Step(s.env, s.p, x, m)
		if d.Recall.IsEmpty() {
			return d
		}
		s.recalls++
		if d.Recall.All {
			x.LendLog(s.log())
		}
		texts := map[Ref]value.Text{}
		for _, ref := range d.Recall.Payloads {
			texts[ref] = s.texts[ref]
		}
		var rows []*Undo
		for _, number := range d.Recall.Undos {
			rows = append(rows, s.row(number))
		}
		x.Lend(rows, texts)
	}
	s.t.Fatal("Step never has enough")
	return Delta{}
}

// row is a row of the saga log, as the store has it.
func (s *script) row(number uint32) *Undo {
	u, err := decodeUndo(s.undos[number])
	if err != nil {
		s.t.Fatalf("row %d of the saga log: %v", number, err)
	}
	return u
}

// log is the whole saga log.
func (s *script) log() (all []*Undo) {
	for _, number := range slices.Sorted(maps.Keys(s.undos)) {
		all = append(all, s.row(number))
	}
	return all
}

// store keeps a delta as an engine would.
func (s *script) store(d Delta) {
	for i, text := range d.Payloads {
		s.texts[s.x.Head.LastPayload+Ref(i)+1] = text
	}
	s.rows["head"] = appendHead(nil, d.Head)
	for _, u := range d.Undos {
		s.undos[u.Number] = appendUndo(nil, u)
	}
	for _, f := range d.Frames {
		s.rows[fmt.Sprintf("f%09d", f.ID)] = appendFrame(nil, f)
	}
	for _, id := range d.Dropped {
		delete(s.rows, fmt.Sprintf("f%09d", id))
	}
	for _, j := range d.Jobs {
		s.rows[fmt.Sprintf("j%09d", j.ID)] = appendJob(nil, j)
	}
	for _, id := range d.Closed {
		delete(s.rows, fmt.Sprintf("j%09d", id))
	}
}

// restored is the execution as its rows tell it.
func (s *script) restored() *Execution {
	start, err := decodeStart(appendStart(nil, &s.x.Start))
	if err != nil {
		s.t.Fatal(err)
	}
	head, err := decodeHead(s.rows["head"])
	if err != nil {
		s.t.Fatal(err)
	}
	var frames []*Frame
	var jobs []*Job
	for _, key := range slices.Sorted(maps.Keys(s.rows)) {
		switch key[0] {
		case 'f':
			f, err := decodeFrame(s.rows[key])
			if err != nil {
				s.t.Fatal(err)
			}
			frames = append(frames, f)
		case 'j':
			j, err := decodeJob(s.rows[key])
			if err != nil {
				s.t.Fatal(err)
			}
			jobs = append(jobs, j)
		}
	}
	x := Restore(start, head, frames, jobs)
	for _, ref := range x.Needs() {
		x.Payloads[ref] = s.texts[ref]
	}
	return x
}

// snapshot is all that an execution is, as text.
func snapshot(x *Execution) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%x %x\n", appendStart(nil, &x.Start), appendHead(nil, &x.Head))
	for _, id := range slices.Sorted(maps.Keys(x.Frames)) {
		fmt.Fprintf(&b, "%d %x\n", id, appendFrame(nil, x.Frames[id]))
	}
	for _, id := range slices.Sorted(maps.Keys(x.Jobs)) {
		fmt.Fprintf(&b, "%d %x\n", id, appendJob(nil, x.Jobs[id]))
	}
	for _, ref := range slices.Sorted(maps.Keys(x.Payloads)) {
		if x.held[ref] > 0 || !slices.Contains(x.lentTexts, ref) {
			fmt.Fprintf(&b, "%d %s\n", ref, x.Payloads[ref])
		}
	}
	return b.String()
}

// deltaText is all that a delta decides, as text; its events have been read
// back.
func deltaText(t *testing.T, d Delta) string {
	if d.IsEmpty() {
		return "empty"
	}
	events, err := decodeEvents(appendEvents(nil, d.Events))
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != len(d.Events) {
		t.Fatalf("%d events became %d", len(d.Events), len(events))
	}
	for i := range events {
		if !reflect.DeepEqual(events[i], d.Events[i]) {
			t.Errorf("event %+v was read back as %+v", d.Events[i], events[i])
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%x\n%s\n%v\n%x\n", appendHead(nil, d.Head), d.Payloads, d.Dropped, appendEvents(nil, d.Events))
	for _, f := range d.Frames {
		fmt.Fprintf(&b, "%x\n", appendFrame(nil, f))
	}
	for _, j := range d.Jobs {
		fmt.Fprintf(&b, "%x\n", appendJob(nil, j))
	}
	for _, u := range d.Undos {
		fmt.Fprintf(&b, "%x\n", appendUndo(nil, u))
	}
	fmt.Fprintln(&b, d.Closed)
	return b.String()
}
