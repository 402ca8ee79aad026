package machine

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// What a map run's children came to is kept in frames of the children's numbers:
// Index is the status, Sends the number of items, Result what the run gives of
// it. Without a bucket to write to all of them become the run's output. With one
// they are written there whenever enough have come together, and let go; what
// was written so far is the root frame's Result.

// flushBytes is how many bytes of results are written as soon as there are as
// many.
const flushBytes = 1 << 20

// writer is the ResultWriter, absent where the Map has none.
func (t *turn) writer() value.Value { return t.plan().Get("ResultWriter") }

// exports reports whether results go to a bucket.
func (t *turn) exports() bool { return t.writer().Has("Resource") }

// keep keeps what a child came to. What can't become part of the run's output,
// since all together are over the limit, is not kept: the run will fail by it.
func (t *turn) keep(j *Job, n *Ending) {
	exports := t.exports()
	if n.Head.Status != Succeeded {
		t.lose(j, n.Start.Map.Item.Count, n.Head.Status)
		if !exports {
			return
		}
	}
	text := n.result(t.writer(), exports)
	u := t.account()
	u.Bytes = min(u.Bytes+text.Len()+1, 1<<30)
	if most := t.env.Limits.Payload; !exports && most > 0 && u.Bytes > most {
		return
	}
	t.frames.put(FrameID(j.Entry), &Frame{ID: FrameID(j.Entry), Kind: Item, Phase: Ended, State: j.State, Index: int(n.Head.Status),
		effort: effort{Sends: uint32(n.Start.Map.Item.Count)}, Result: t.payload(text, value.Value{})})
}

// result is what a run gives of a child: its output, or all that is known of it.
// The latter holds of all that did not succeed.
func (n *Ending) result(writer value.Value, exports bool) value.Text {
	form := writer.Get("WriterConfig").Get("Transformation").AsString()
	if form == "" && exports || n.Head.Status != Succeeded {
		form = "NONE"
	}
	if form != "NONE" {
		return n.Output
	}
	v := n.describe(asl.Sync).With("StartDate", timestamp(n.Start.At)).With("StopDate", timestamp(n.Head.Stop))
	if v.Has("RedriveDate") {
		v = v.With("RedriveDate", timestamp(n.Head.Redriven))
	}
	return v.Text()
}

// among is a result as it stands among others: one that is an array, and is to
// be flattened, without its brackets. Among lines it has lines of its own.
func among(text string, succeeded bool, writer value.Value, lines bool) string {
	text = strings.TrimSpace(text)
	flat := succeeded && text[0] == '[' && writer.Get("WriterConfig").Get("Transformation").AsString() == "FLATTEN"
	switch {
	case flat && lines:
		return byLines(value.Checked(text).Decode().Items())
	case flat:
		return strings.TrimSpace(text[1 : len(text)-1])
	case lines && strings.ContainsAny(text, "\n\r"):
		return byLines([]value.Value{value.Checked(text).Decode()})
	}
	return text
}

// gathered are the results at hand in the order of the children.
func (t *turn) gathered() []*Frame {
	numbers := slices.AppendSeq(slices.Clone(t.frames.keys), maps.Keys(t.x.Frames))
	numbers = slices.DeleteFunc(numbers, func(id FrameID) bool { return id == 0 || id >= firstLost || t.peek(id) == nil })
	slices.Sort(numbers)
	var all []*Frame
	for _, number := range slices.Compact(numbers) {
		all = append(all, t.peek(number))
	}
	return all
}

// write asks to write the results at hand, and with the last of them the
// manifest.
func (t *turn) write(last bool) {
	gathered := t.gathered()
	numbers := make([]value.Value, len(gathered))
	for i, f := range gathered {
		numbers[i] = value.NewInt(int64(f.ID))
	}
	u := t.account()
	u.Bytes = 0
	u.Writes++
	asked := value.NewObject(member("Children", value.NewArray(numbers)), member("Last", value.NewBool(last)),
		member("Redrive", value.NewInt(int64(t.head.Redrives))))
	t.frame(0).Job = t.open(Job{Kind: WriteResults, State: t.x.Start.Map.State, Entry: uint32(u.Writes),
		Request: t.payload(asked.Text(), value.Value{}), Deadline: never, Due: t.head.Now})
}

// wrote lets results go that were written.
func (t *turn) wrote(j *Job, m Message) bool {
	switch m.Kind {
	case JobSucceeded:
	case JobFailed:
		return t.endRun(Failed, given(m.Failure))
	default:
		return false
	}
	asked := t.tree(j.Request)
	t.jobs.put(j.ID, nil)
	root := t.frame(0)
	root.Job = 0
	u := t.account()
	for _, number := range asked.Get("Children").Items() {
		id, _ := number.AsInt()
		child := t.peek(FrameID(id))
		u.Items.Written += int(child.Sends)
		u.Executions.Written++
		t.frames.put(child.ID, nil)
	}
	root.Result = t.payload(m.Output, value.Value{})
	last := asked.Get("Last").AsBool()
	if last {
		u.Items.Written = u.Items.Succeeded + u.Items.lost() + u.Read - u.Begun
		u.Executions.Written = u.Executions.Succeeded + u.Executions.lost()
		if u.Begun == u.Children { // else nobody knows how many batches were to come
			u.Executions.Written += u.Read - u.Begun
		}
	}
	switch {
	case last && u.Failing:
		t.endRun(Failed, &fault{Failure: Failure{t.head.Error, t.head.Cause}})
	case last:
		manifest := m.Output.Decode()
		t.head.Output = t.payload(value.NewObject(
			member("MapRunArn", value.NewString(t.x.Start.MapRunARN())),
			member("ResultWriterDetails", value.NewObject(
				member("Bucket", manifest.Get("DestinationBucket")),
				member("Key", value.NewString(resultPrefix(t.writer(), &t.x.Start, asked)+"manifest.json")))),
		).Text(), value.Value{})
		t.endRun(Succeeded, &fault{})
	}
	return true
}

// resultPrefix is what the keys of the files begin with that a WriteResults job
// asks for. Those of each redrive have a folder of their own.
func resultPrefix(writer value.Value, start *Start, asked value.Value) string {
	prefix := arguments(writer).Get("Prefix").AsString()
	if prefix != "" && prefix[len(prefix)-1] != '/' {
		prefix += "/"
	}
	prefix += uuid(start.ID) + "/"
	if redrive, _ := asked.Get("Redrive").AsInt(); redrive > 0 {
		prefix += "Redrive-" + strconv.FormatInt(redrive, 10) + "/"
	}
	return prefix
}

// arguments are a resource's, in either language.
func arguments(part value.Value) value.Value {
	if v := part.Get("Parameters"); !v.IsAbsent() {
		return v
	}
	return part.Get("Arguments")
}

// replaceFailures takes the files of what did not succeed off the manifest, since
// that is done again.
func (t *turn) replaceFailures(root *Frame) {
	if root.Result == 0 {
		return
	}
	listed := t.tree(root.Result)
	of, none := listed.Get("ResultFiles"), value.NewArray(nil)
	root.Result = t.payload(listed.With("ResultFiles", of.With("FAILED", none).With("PENDING", none)).Text(), value.Value{})
}

// manifest tells of the files that were written so far.
func (x *Execution) manifest(bucket string) value.Value {
	if written, any := x.Payloads[x.Frames[0].Result]; any {
		return written.Decode()
	}
	return value.NewObject(
		member("DestinationBucket", value.NewString(bucket)),
		member("MapRunArn", value.NewString(x.Start.MapRunARN())),
		member("ResultFiles", value.NewObject(
			member("FAILED", value.NewArray(nil)), member("PENDING", value.NewArray(nil)), member("SUCCEEDED", value.NewArray(nil)))))
}

func extension(writer value.Value) string {
	if isLines(writer) {
		return ".jsonl"
	}
	return ".json"
}

func isLines(writer value.Value) bool {
	return writer.Get("WriterConfig").Get("OutputType").AsString() == "JSONL"
}

// resultBody is the text of a file, "" where there is nothing for it.
func (x *Execution) resultBody(children []value.Value, succeeded bool, writer value.Value) string {
	lines := isLines(writer)
	var body []byte
	for _, number := range children {
		id, _ := number.AsInt()
		f := x.Frames[FrameID(id)]
		if (Status(f.Index) == Succeeded) != succeeded {
			continue
		}
		text := among(x.Payloads[f.Result].String(), succeeded, writer, lines)
		body = another(body, text, lines)
	}
	return whole(string(body), lines)
}

// another adds a result to those before.
func another(body []byte, text string, lines bool) []byte {
	switch {
	case len(body) == 0 || text == "":
	case lines:
		body = append(body, '\n')
	default:
		body = append(body, ',')
	}
	return append(body, text...)
}

// whole is a file of results that stand one after another.
func whole(body string, lines bool) string {
	switch {
	case body == "":
		return ""
	case lines:
		return body + "\n"
	}
	return "[" + body + "]"
}

// byLines puts values on lines of their own.
func byLines(list []value.Value) string {
	var body []byte
	for i, v := range list {
		if i > 0 {
			body = append(body, '\n')
		}
		body = v.Append(body)
	}
	return string(body)
}
