package items_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/integration/items"
	"github.com/backstep/backstep/internal/value"
)

// bucket is a folder "b" that holds files.
func bucket(t *testing.T, files map[string]string) integration.Objects {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		put(t, dir, name, text)
	}
	return items.Buckets{Folders: items.Folders{"b": dir}}
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// all reads page by page and gives all items as one text. It does so twice: by
// one reader, and by a new one for each page, which knows the cursor alone. Both
// must give the same.
func all(t *testing.T, objects integration.Objects, source string) (text string, pages int, err error) {
	t.Helper()
	one := items.NewReader(objects)
	defer one.Close()
	text, sources, pages, err := readAll(source, func() *items.Reader { return one })
	again, anew, _, wrong := readAll(source, func() *items.Reader {
		r := items.NewReader(objects)
		t.Cleanup(r.Close)
		return r
	})
	if again != text || anew != sources || fmt.Sprint(wrong) != fmt.Sprint(err) {
		t.Errorf("%s: by the cursor alone %.200s from %.200s, %v\nwith what was kept open %.200s from %.200s, %v", source, again, anew, wrong, text, sources, err)
	}
	return text, pages, err
}

// readAll gives all items as one text, and where each is from as another.
func readAll(source string, reader func() *items.Reader) (text, sources string, pages int, err error) {
	request := integration.ItemRequest{Source: value.Checked(source).Decode()}
	var parts, from []string
	for {
		page, err := reader().Read(context.Background(), request)
		if err != nil {
			return "", "", pages, err
		}
		pages++
		if part := page.Items.Text().String(); len(part) > 2 {
			parts = append(parts, part[1:len(part)-1])
		}
		n := 0
		for _, s := range page.Sources {
			for ; n < s.End; n++ {
				from = append(from, s.URI)
			}
		}
		if n != page.Items.Len() {
			return "", "", pages, fmt.Errorf("%d items have a source, of %d", n, page.Items.Len())
		}
		if page.Over {
			return strings.Join(parts, ","), strings.Join(from, " "), pages, nil
		}
		request.Cursor = page.Cursor
	}
}

func object(config string) string {
	return `{"Resource":"arn:aws:states:::s3:getObject","Parameters":{"Bucket":"b","Key":"k"},"ReaderConfig":` + config + `}`
}

func TestFormats(t *testing.T) {
	for _, c := range []struct{ name, config, text, want string }{
		{"csv", `{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"}`, "a,b\n1,2\n,,,\n   \n\"x\ny\",\"q\"\"q\"\n",
			`{"a":"1","b":"2"},{"a":"","b":""},{"a":"   ","b":""},{"a":"x\ny","b":"q\"q"}`},
		{"csv of given headers", `{"InputType":"CSV","CSVHeaderLocation":"GIVEN","CSVHeaders":["x","y"],"CSVDelimiter":"PIPE"}`, "1|2\r\n3|4", `{"x":"1","y":"2"},{"x":"3","y":"4"}`},
		{"csv with quotes", `{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"}`, "a,b,c\n" + `abc,"commas, ""quotes"" and` + "\r\n" + `lines",{""k"":""v""}` + "\r\n" + `"x"y", "z,z",5" pipe` + "\n",
			`{"a":"abc","b":"commas, \"quotes\" and\r\nlines","c":"{\"k\":\"v\"}"},{"a":"x\"y","b":"z,z","c":"5\" pipe"}`},
		{"csv with backslashes", `{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"}`, "path,size\n" + `C:\\Program Files\\My\App.exe,6\,5` + "\n" + `"a\"b",\` + "\n",
			`{"path":"C:\\Program Files\\MyApp.exe","size":"6,5"},{"path":"a\"b","size":""}`},
		{"csv that ends within quotes", `{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"}`, "a\n\"x\ny", `{"a":"x\ny"}`},
		{"csv of spaces", `{"InputType":"CSV","CSVDelimiter":"SPACE","CSVHeaderLocation":"FIRST_ROW"}`, "a b\n1 \n", `{"a":"1","b":""}`},
		{"csv with a mark", `{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"}`, "\ufeffa\n1\n", `{"a":"1"}`},
		{"csv that is empty", `{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"}`, "", ``},
		{"csv up to a limit", `{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW","MaxItems":1}`, "a\n1\n2\n", `{"a":"1"}`},
		{"json", `{"InputType":"JSON"}`, " [ 1 , \"a]\\\"\", {\"b\":[2]} ,null] ", `1,"a]\"",{"b":[2]},null`},
		{"json without elements", `{"InputType":"JSON"}`, "[ ]", ``},
		{"json object", `{"InputType":"JSON"}`, `{"a":1, "b" : {"c":"}"}}`, `"a":1,"b":{"c":"}"}`},
		{"json up to a limit", `{"InputType":"JSON","MaxItems":2}`, `[1,2,3]`, `1,2`},
		{"json without a limit", `{"InputType":"JSON","MaxItems":0}`, `[1,2,3]`, `1,2,3`},
		{"json beneath a pointer", `{"InputType":"JSON","ItemsPointer":"/skip/a~1b"}`, `{"x":[{"skip":1}],"skip":{"o":"\"","a/b":[7,8]}}`, `7,8`},
		{"json within an array", `{"InputType":"JSON","ItemsPointer":"/1/a"}`, `[{"a":[1]}, {"b":[0],"a":[2, 3]}]`, `2,3`},
		{"lines", `{"InputType":"JSONL"}`, "{\"a\":1}\n\n  2\n\"last\"", `{"a":1},2,"last"`},
	} {
		got, _, err := all(t, bucket(t, map[string]string{"k": c.text}), object(c.config))
		if err != nil || got != c.want {
			t.Errorf("%s: %s, %v\nwant %s", c.name, got, err, c.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	long := `"` + strings.Repeat("x", 9_000_000) + `"`
	for _, c := range []struct{ config, text, want string }{
		{`{"InputType":"CSV","CSVHeaderLocation":"GIVEN","CSVHeaders":["x","x"]}`, "1", "CSV headers cannot contain duplicates."},
		{`{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"}`, "x,x\n1", "CSV headers cannot contain duplicates."},
		{`{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"}`, strings.Repeat("x", 20_000) + "\n", "CSV headers cannot have more than 10240 bytes."},
		{`{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"}`, "x\n" + strings.Repeat("y", 9_000_000), "an item is longer than 8388608 bytes"},
		{`{"InputType":"JSON","MaxItems":-1}`, "[]", "field MaxItems must be positive"},
		{`{"InputType":"JSON"}`, "3", "Attempting to map over non-iterable node."},
		{`{"InputType":"JSON"}`, "", "the JSON document ends too early"},
		{`{"InputType":"JSON"}`, "[1,", "the JSON document ends too early"},
		{`{"InputType":"JSON"}`, `["a`, "the JSON document ends too early"},
		{`{"InputType":"JSON"}`, `{"a" 1}`, "the JSON document has a member without a name"},
		{`{"InputType":"JSON"}`, "[" + long + "]", "an item is longer than 8388608 bytes"},
		{`{"InputType":"JSON","ItemsPointer":"/a/b"}`, `{"a":{"c":[]}}`, `ItemsPointer points to nothing: there is no member "b"`},
		{`{"InputType":"JSON","ItemsPointer":"/a/b"}`, `{"a":1}`, `ItemsPointer points to nothing: there is no object with a member "b"`},
		{`{"InputType":"JSON","ItemsPointer":"/a/b"}`, `{"a":[1]}`, `ItemsPointer points to nothing: there is no element "b"`},
		{`{"InputType":"JSON","ItemsPointer":"/1"}`, `[[]]`, `ItemsPointer points to nothing: there is no element "1"`},
		{`{"InputType":"JSONL"}`, long, "an item is longer than 8388608 bytes"},
	} {
		_, _, err := all(t, bucket(t, map[string]string{"k": c.text}), object(c.config))
		var failed *integration.Error
		if !errors.As(err, &failed) || failed.Cause != c.want {
			t.Errorf("%s: %v, want %s", c.config, err, c.want)
		}
	}
	for _, source := range []string{object(`{"InputType":"JSON"}`), strings.Replace(object(`{"InputType":"JSON"}`), `"b"`, `"other"`, 1),
		strings.Replace(object(`{"InputType":"JSON"}`), `"k"`, `"../k"`, 1), strings.Replace(object(`{"InputType":"JSON"}`), `"k"`, `"dir"`, 1)} {
		_, _, err := all(t, bucket(t, map[string]string{"dir/k": "[]"}), source)
		var failed *integration.Error
		if !errors.As(err, &failed) || !strings.HasPrefix(failed.Name, "S3.NoSuch") {
			t.Errorf("%s: %v", source, err)
		}
	}
}

// What is long comes in pages, each read from where the one before ended.
func TestPages(t *testing.T) {
	var csv, lines, list, want, members strings.Builder
	csv.WriteString("n,m\n")
	list.WriteString("[")
	members.WriteString("{")
	for i := range 2500 {
		comma := ","
		if i == 0 {
			comma = ""
		}
		fmt.Fprintf(&csv, "%d,%s\n", i, strings.Repeat("y", i%500))
		item := fmt.Sprintf(`{"n":"%d","m":"%s"}`, i, strings.Repeat("y", i%500))
		fmt.Fprintf(&lines, "%s\n", item)
		fmt.Fprintf(&list, "%s\n %s", comma, item)
		fmt.Fprintf(&want, "%s%s", comma, item)
		fmt.Fprintf(&members, `%s"k%d":%d`, comma, i, i)
	}
	list.WriteString("]")
	members.WriteString("}")
	r := bucket(t, map[string]string{"csv": csv.String(), "lines": lines.String(), "list": list.String(), "members": members.String()})
	for name, config := range map[string]string{
		"csv": `{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"}`, "lines": `{"InputType":"JSONL"}`, "list": `{"InputType":"JSON"}`, "members": `{"InputType":"JSON"}`,
	} {
		got, pages, err := all(t, r, strings.Replace(object(config), `"k"`, `"`+name+`"`, 1))
		expected := want.String()
		if name == "members" {
			expected = strings.Trim(members.String(), "{}")
		}
		if err != nil || got != expected || pages < 3 {
			t.Errorf("%s: %d bytes in %d pages, %v; want %d bytes", name, len(got), pages, err, len(expected))
		}
	}
	limited := strings.Replace(object(`{"InputType":"JSON","MaxItems":1500}`), `"k"`, `"list"`, 1)
	if got, pages, err := all(t, r, limited); err != nil || strings.Count(got, `"n"`) != 1500 || pages < 2 {
		t.Errorf("%d items in %d pages, %v", strings.Count(got, `"n"`), pages, err)
	}
}

func TestListing(t *testing.T) {
	files := map[string]string{"other/x": "1"}
	for i := range 1200 {
		files[fmt.Sprintf("in/%04d", i)] = "text"
	}
	source := `{"Resource":"arn:aws:states:::s3:listObjectsV2","Arguments":{"Bucket":"b","Prefix":"in/"}}`
	got, pages, err := all(t, bucket(t, files), source)
	if err != nil || pages != 2 || strings.Count(got, `"Key":"in/`) != 1200 || !strings.HasPrefix(got, `{"Etag":"\"`) {
		t.Errorf("%.200s in %d pages, %v", got, pages, err)
	}
}

func TestPut(t *testing.T) {
	dir := t.TempDir()
	folders := items.Folders{"b": dir}
	for _, text := range []string{"one", "two"} {
		if err := folders.Put(context.Background(), integration.Object{Bucket: "b", Key: "a/b/c.json"}, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "a/b/c.json")); err != nil || string(got) != text {
			t.Errorf("%q, %v", got, err)
		}
	}
	if err := folders.Put(context.Background(), integration.Object{Bucket: "b", Key: "../out"}, nil); err == nil {
		t.Error("a key led out of the bucket")
	}
}
