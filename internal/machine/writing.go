package machine

import (
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// writing is what a WriteResults job writes, one file after another: the results
// at hand, then, where the run fails, the inputs of the children that never
// began, and the manifest last. The files are the same however often they are
// asked for. It goes on beside the run's turns, which it knows nothing of.
type writing struct {
	job            JobID
	writer         value.Value
	bucket, prefix string
	listed         value.Value // the manifest so far
	files          []resultFile
	last           bool // the manifest is still to come
	pending        *pending
}

// resultFile is a file of results.
type resultFile struct{ key, body string }

// Results is what a WriteResults job writes; nil where the job is over.
func (x *Execution) Results(p *asl.Program, l Limits, job JobID) *writing {
	j := x.Jobs[job]
	if j == nil || j.Kind != WriteResults {
		return nil
	}
	asked := x.Payloads[j.Request].Decode()
	w := &writing{job: job, writer: x.Payloads[x.Head.Input].Decode().Get("ResultWriter")}
	w.prefix, w.bucket = resultPrefix(w.writer, &x.Start, asked), arguments(w.writer).Get("Bucket").AsString()
	w.listed = x.manifest(w.bucket)
	for _, kind := range []string{"FAILED", "SUCCEEDED"} {
		w.add(kind, x.resultBody(asked.Get("Children").Items(), kind == "SUCCEEDED", w.writer))
	}
	w.last = asked.Get("Last").AsBool()
	if w.last && x.Head.Run.Failing {
		w.pending = x.pending(p, l)
	}
	return w
}

// add adds a file, unless nothing is in it. It is numbered behind those of its
// kind that stand in the same folder.
func (w *writing) add(kind, body string) {
	if body == "" {
		return
	}
	of, number := w.listed.Get("ResultFiles"), 0
	for _, file := range of.Get(kind).Items() {
		if strings.HasPrefix(file.Get("Key").AsString(), w.prefix+kind) {
			number++
		}
	}
	key := w.prefix + kind + "_" + strconv.Itoa(number) + extension(w.writer)
	w.files = append(w.files, resultFile{key, body})
	entry := value.NewObject(member("Key", value.NewString(key)), member("Size", value.NewInt(int64(len(body)))))
	w.listed = w.listed.With("ResultFiles", of.With(kind, value.NewArray(append(of.Get(kind).Items(), entry))))
}

// Next is the next file to be written. False: there is none, or a page of items
// must be read first.
func (w *writing) Next() (bucket, key, body string, more bool) {
	if len(w.files) == 0 && w.pending != nil {
		lines := isLines(w.writer)
		switch body := w.pending.fill(lines); {
		case w.pending.wants:
			return "", "", "", false
		case body != "":
			w.add("PENDING", whole(body, lines))
		default:
			w.pending = nil
		}
	}
	switch {
	case len(w.files) > 0:
		next := w.files[0]
		w.files = w.files[1:]
		return w.bucket, next.key, next.body, true
	case w.last:
		w.last = false
		return w.bucket, w.prefix + "manifest.json", w.listed.Text().String(), true
	}
	return "", "", "", false
}

// Reading is the ItemReader and the cursor of the page of items that must be
// read before there is a next file; false where none must be.
func (w *writing) Reading() (source value.Value, cursor string, wanted bool) {
	if w.pending == nil || !w.pending.wants {
		return source, "", false
	}
	x := w.pending.x
	return x.Payloads[x.Head.Input].Decode().Get("ItemReader"), x.Head.Run.Cursor, true
}

// Read takes a page of items, as a ReadItems job gives it; none where items
// can't be read any more.
func (w *writing) Read(page value.Text) { w.pending.read(page) }

// Message says that all files are written.
func (w *writing) Message() Message {
	return Message{Kind: JobSucceeded, Job: w.job, Output: w.listed.Text()}
}

// pending goes through the items that a failing run has made no child for. It
// does so in an execution of its own, which is the run without its children:
// the run itself stays where it failed.
type pending struct {
	x      *Execution
	p      *asl.Program
	limits Limits
	body   []byte // results that are still to be written
	wants  bool   // a page of items
}

func (x *Execution) pending(p *asl.Program, l Limits) *pending {
	own := Restore(x.Start, x.Head, []*Frame{x.Frames[0]}, nil)
	for _, ref := range own.Needs() {
		own.Payloads[ref] = x.Payloads[ref]
	}
	return &pending{x: own, p: p, limits: l}
}

// fill gives the next file's results, as far as there are any: enough for one, or
// the last of them. It may want a page before.
func (n *pending) fill(lines bool) string {
	t := newTurn(&Env{Limits: n.limits}, n.p, n.x)
	f, u := t.frame(0), t.account()
	s := t.distributedMap(f.State)
	if f.Join.Items != 0 {
		t.remember(f.Join.Items)
	}
	n.wants = false
	for len(n.body) < flushBytes && u.Taken < f.Join.Count && !n.wants {
		count, input, full := t.ahead(f, s)
		if n.wants = !full && !u.Over; !n.wants {
			u.Taken += count
			u.Begun += count
			n.body = another(n.body, notBegun(input).Text().String(), lines)
		}
	}
	if len(n.body) < flushBytes && !u.Over {
		n.wants = true
	}
	n.x.Apply(t.delta())
	if n.wants {
		return ""
	}
	body := string(n.body)
	n.body = nil
	return body
}

// ahead is the input of the next child, or the items of which it can't be made.
func (t *turn) ahead(f *Frame, s *asl.State) (count int, input value.Value, full bool) {
	count, input, full, fl := t.nextInput(f, s)
	if fl != nil {
		return 1, t.itemAhead(f.Join, 0).value, true
	}
	return count, input, full
}

// notBegun is what is written of a child that never began.
func notBegun(input value.Value) value.Value {
	return value.NewObject(
		member("Input", value.NewString(input.Text().String())),
		member("InputDetails", value.NewObject(member("Included", value.NewBool(true)))),
		member("Status", value.NewString("PENDING")))
}

// read takes a page.
func (n *pending) read(page value.Text) {
	t := newTurn(&Env{Limits: n.limits}, n.p, n.x)
	if page.IsZero() {
		t.account().Over = true
	} else {
		t.takePage(page.Decode())
	}
	n.x.Apply(t.delta())
	n.wants = false
}
