package items_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/integration/items"
	"github.com/backstep/backstep/internal/value"
)

func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	w.Close()
	return b.String()
}

func zstdeed(text string) string {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	return string(w.EncodeAll([]byte(text), nil))
}

// row is a row of a table that tests write.
type row struct {
	N int64  `parquet:"n"`
	S string `parquet:"s,zstd"`
}

// table is a Parquet file of so many rows, by row groups of 700.
func table(rows int) string {
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b, parquet.MaxRowsPerRowGroup(700), parquet.PageBufferSize(4<<10))
	for i := range rows {
		if _, err := w.Write([]row{{int64(i), strings.Repeat("y", i%300)}}); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.String()
}

// numbered are so many items as one text.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,{"n":%d,"s":"%s"}`, i, strings.Repeat("y", i%300))
	}
	return b.String()[1:]
}

// Files that others have written come out as their writers meant them.
func TestParquetOfOthers(t *testing.T) {
	files, err := filepath.Glob("testdata/parquet/*.parquet")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := all(t, bucket(t, map[string]string{"k": string(body)}), object(`{"InputType":"PARQUET"}`))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		golden := strings.TrimSuffix(file, ".parquet") + ".json"
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(golden, []byte("["+strings.ReplaceAll(got, "},{", "},\n{")+"]\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		text, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if want := value.Checked(string(text)).Decode().Text().String(); "["+got+"]" != want {
			t.Errorf("%s: %s\nwant %s", file, got, want)
		}
	}
}

// What is compressed, and what has row groups, is read on in its middle, too.
func TestPagesOfOneObject(t *testing.T) {
	const n = 3000
	want := numbered(n)
	records := strings.NewReplacer("},{", "}\n{").Replace(want)
	csv := "n,s\n"
	for i := range n {
		csv += fmt.Sprintf("%d,%s\n", i, strings.Repeat("y", i%300))
	}
	texts := strings.NewReplacer(`"n":`, `"n":"`, `,"s"`, `","s"`).Replace(want)
	for _, c := range []struct{ key, body, config, want string }{
		{"k.jsonl.gz", gzipped(records), `{"InputType":"JSONL"}`, want},
		{"k.jsonl.gzip", gzipped(records[:len(records)/2]) + gzipped(records[len(records)/2:]), `{"InputType":"JSONL"}`, want},
		{"k.json.zst", zstdeed(`{"a":[` + want + `]}`), `{"InputType":"JSON","ItemsPointer":"/a"}`, want},
		{"k.csv.zstd", zstdeed(csv), `{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"}`, texts},
		{"k.parquet", table(n), `{"InputType":"PARQUET"}`, want},
	} {
		got, pages, err := all(t, bucket(t, map[string]string{c.key: c.body}), strings.Replace(object(c.config), `"k"`, `"`+c.key+`"`, 1))
		if err != nil || got != c.want || pages < 3 {
			t.Errorf("%s: %d bytes of %d in %d pages, %v", c.key, len(got), len(c.want), pages, err)
		}
	}
}

func listedObjects(config string) string {
	return `{"Resource":"arn:aws:states:::s3:listObjectsV2","Parameters":{"Bucket":"b","Prefix":"in/"},"ReaderConfig":` + config + `}`
}

// The objects that a listing finds are read one after another, each from its own
// beginning.
func TestLoadAndFlatten(t *testing.T) {
	files := map[string]string{"other": "no", "in/a.jsonl": "", "in/b.jsonl": "1\n2\n", "in/c/d.jsonl": "3", "in/c.jsonl": "4\n"}
	got, _, err := all(t, bucket(t, files), listedObjects(`{"InputType":"JSONL","Transformation":"LOAD_AND_FLATTEN"}`))
	if err != nil || got != `1,2,4,3` {
		t.Errorf("%s, %v", got, err)
	}
	_, sources, _, err := readAll(listedObjects(`{"InputType":"JSONL","Transformation":"LOAD_AND_FLATTEN","MaxItems":3}`),
		func() *items.Reader { return items.NewReader(bucket(t, files)) })
	if want := "s3://b/in/b.jsonl s3://b/in/b.jsonl s3://b/in/c.jsonl"; err != nil || sources != want {
		t.Errorf("%s, %v", sources, err)
	}
	files = map[string]string{"in/a": "x,y\n1,2\n", "in/b": "z\n3\n"}
	got, _, err = all(t, bucket(t, files), listedObjects(`{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW","Transformation":"LOAD_AND_FLATTEN"}`))
	if err != nil || got != `{"x":"1","y":"2"},{"z":"3"}` {
		t.Errorf("%s, %v", got, err)
	}
	files = map[string]string{"in/a": `[1]`, "in/b": `{"k":2}`}
	got, _, err = all(t, bucket(t, files), listedObjects(`{"InputType":"JSON","Transformation":"LOAD_AND_FLATTEN"}`))
	if err != nil || got != `1,{"Key":"k","Value":2}` {
		t.Errorf("%s, %v", got, err)
	}
	_, _, err = all(t, bucket(t, files), listedObjects(`{"Transformation":"LOAD_AND_FLATTEN"}`))
	if failure(err) != `InputType "" is not supported` {
		t.Error(err)
	}
}

// Many small objects fill a page together, and a large one many pages.
func TestLoadManyObjects(t *testing.T) {
	files, want := map[string]string{}, []string{}
	for i := range 1100 {
		files[fmt.Sprintf("in/%04d/x", i)] = fmt.Sprintf("[%d,%d]", 2*i, 2*i+1)
		want = append(want, fmt.Sprintf("%d,%d", 2*i, 2*i+1))
	}
	files["in/0700/large"] = "[" + numbered(2000) + "]"
	want[699] += "," // marks where it comes; see below
	got, pages, err := all(t, bucket(t, files), listedObjects(`{"InputType":"JSON","Transformation":"LOAD_AND_FLATTEN"}`))
	expected := strings.Replace(strings.Join(want, ","), ",,", ","+numbered(2000)+",", 1)
	if err != nil || got != expected || pages < 4 || pages > 8 {
		t.Errorf("%d bytes of %d in %d pages, %v", len(got), len(expected), pages, err)
	}
}

func TestManifests(t *testing.T) {
	const line = "2022-11-16T00:29:32.000Z"
	files := map[string]string{
		"manifest.json": `{"sourceBucket":"src","destinationBucket":"arn:aws:s3:::b","version":"2016-11-30","fileFormat":"CSV",
			"fileSchema":"Bucket, Key, Size, LastModifiedDate","files":[{"key":"data/1.csv.gz","size":1},{"key":"data/2.csv.gz","size":1}]}`,
		"data/1.csv.gz": gzipped(`"src","a/","0","` + line + "\"\n" + `"src","a/b.csv","33","` + line + "\"\n"),
		"data/2.csv.gz": gzipped(`"src","c%20d","7","` + line + "\"\n"),
		"orc.json":      `{"fileFormat":"ORC","files":[]}`,
		"unload.csv":    "s3://b/out/1\ns3://b/out/2.gz\n",
		"out/1":         "{\"n\":1}\n{\"n\":2}\n",
		"out/2.gz":      gzipped("{\"n\":3}\n"),
		"wrong.csv":     "b/out/1\n",
		"columns.csv":   "s3://b/rows\n",
		"rows":          "1|2\n",
		"parquet.csv":   "s3://b/p1\ns3://b/p2\n",
		"p1":            table(1), "p2": table(2),
	}
	objects := bucket(t, files)
	inventory := `{"Bucket":"src","Key":"a/","Size":"0","LastModifiedDate":"` + line + `"},{"Bucket":"src","Key":"a/b.csv","Size":"33","LastModifiedDate":"` + line +
		`"},{"Bucket":"src","Key":"c%20d","Size":"7","LastModifiedDate":"` + line + `"}`
	for _, c := range []struct{ key, config, want string }{
		{"manifest.json", `{"InputType":"MANIFEST"}`, inventory},
		{"manifest.json", `{"ManifestType":"S3_INVENTORY"}`, inventory},
		{"manifest.json", `{"ManifestType":"S3_INVENTORY","MaxItems":1}`, inventory[:strings.Index(inventory, ",{")]},
		{"manifest.json", `{"InputType":"MANIFEST","CSVHeaderLocation":"GIVEN","CSVHeaders":["b"]}`, `{"b":"src"},{"b":"src"},{"b":"src"}`},
		{"orc.json", `{"InputType":"MANIFEST"}`, `failed: the output format of an inventory must be CSV, and is "ORC"`},
		{"unload.csv", `{"InputType":"MANIFEST"}`, `failed: the manifest is no JSON: not JSON at byte 0: no value begins here`},
		{"unload.csv", `{"ManifestType":"ATHENA_DATA","InputType":"JSONL"}`, `{"n":1},{"n":2},{"n":3}`},
		{"wrong.csv", `{"ManifestType":"ATHENA_DATA","InputType":"JSONL"}`, `failed: the manifest names no object: "b/out/1"`},
		{"columns.csv", `{"ManifestType":"ATHENA_DATA","InputType":"CSV","CSVDelimiter":"PIPE","CSVHeaderLocation":"GIVEN","CSVHeaders":["x","y"]}`, `{"x":"1","y":"2"}`},
		{"parquet.csv", `{"ManifestType":"ATHENA_DATA","InputType":"PARQUET"}`, `{"n":0,"s":""},{"n":0,"s":""},{"n":1,"s":"y"}`},
	} {
		got, _, err := all(t, objects, strings.Replace(object(c.config), `"k"`, `"`+c.key+`"`, 1))
		if err != nil {
			got = "failed: " + failure(err)
		}
		if got != c.want {
			t.Errorf("%s of %s: %s\nwant %s", c.config, c.key, got, c.want)
		}
	}
}

// failure is the cause of a final failure.
func failure(err error) string {
	var failed *integration.Error
	if !errors.As(err, &failed) {
		return fmt.Sprint("no final failure: ", err)
	}
	return failed.Cause
}

// An object that is written anew between two pages is not read as a mixture,
// whether it is still open or not; nor is one that a manifest lists.
func TestObjectsChange(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var lines strings.Builder // more than a reader reads ahead
	for range 60_000 {
		fmt.Fprintln(&lines, random.Uint64())
	}
	long := lines.String()
	for _, c := range []struct{ name, source, changes string }{
		{"lines", object(`{"InputType":"JSONL"}`), "k"},
		{"listed", listedObjects(`{"InputType":"JSONL","Transformation":"LOAD_AND_FLATTEN"}`), "in/k"},
		{"unloaded", strings.Replace(object(`{"ManifestType":"ATHENA_DATA","InputType":"JSONL"}`), `"k"`, `"m"`, 1), "in/k"},
		{"compressed", strings.Replace(object(`{"InputType":"JSONL"}`), `"k"`, `"k.gz"`, 1), "k.gz"},
		{"parquet", strings.Replace(object(`{"InputType":"PARQUET"}`), `"k"`, `"p"`, 1), "p"},
	} {
		for _, kept := range []bool{true, false} {
			dir := t.TempDir()
			for name, text := range map[string]string{"k": long, "in/k": long, "m": "s3://b/in/k\n", "k.gz": gzipped(long), "p": table(2500)} {
				put(t, dir, name, text)
			}
			objects := items.Folders{"b": dir}
			r := items.NewReader(objects)
			request := integration.ItemRequest{Source: value.Checked(c.source).Decode()}
			page, err := r.Read(context.Background(), request)
			if err != nil || page.Over {
				t.Fatalf("%s: %v, over %v", c.name, err, page.Over)
			}
			put(t, dir, c.changes, "new")
			if !kept {
				r.Close()
				r = items.NewReader(objects)
			}
			for err == nil && !page.Over {
				request.Cursor = page.Cursor
				page, err = r.Read(context.Background(), request)
			}
			if failure(err) != "the object was written anew while it was read" {
				t.Errorf("%s, kept %v: %v", c.name, kept, err)
			}
			r.Close()
		}
	}
}

// Damaged data fails the reading for good; it never panics.
func TestDamaged(t *testing.T) {
	whole := table(2000)
	bodies := map[string]string{"k.jsonl.gz": gzipped("1\n")[:12], "k.zst": "no", "no.gz": "no", "cut": whole[:len(whole)/2], "short": "PAR1"}
	for i := 0; i < len(whole)-8; i += len(whole) / 60 {
		b := []byte(whole)
		b[i] ^= 0x55
		bodies[fmt.Sprintf("p%d", i)] = string(b)
	}
	objects := bucket(t, bodies)
	for key := range bodies {
		kind := "PARQUET"
		if strings.Contains(key, ".") {
			kind = "JSONL"
		}
		source := strings.Replace(object(`{"InputType":"`+kind+`"}`), `"k"`, `"`+key+`"`, 1)
		_, _, _, err := readAll(source, func() *items.Reader { return items.NewReader(objects) })
		var failed *integration.Error
		if err != nil && !errors.As(err, &failed) {
			t.Errorf("%s: %v", key, err)
		}
		if err == nil && !strings.HasPrefix(key, "p") {
			t.Errorf("%s was read", key)
		}
	}
}

// asked remembers what was asked for.
type asked struct {
	integration.Objects
	opened []integration.Object
	listed []integration.Listing
}

func (a *asked) Open(ctx context.Context, o integration.Object) (integration.Content, error) {
	a.opened = append(a.opened, o)
	return a.Objects.Open(ctx, o)
}

func (a *asked) List(ctx context.Context, l integration.Listing) (integration.Listed, error) {
	a.listed = append(a.listed, l)
	return a.Objects.List(ctx, l)
}

// The bucket's owner is asked for with everything, a version with the object
// that the reader names.
func TestOwnerAndVersion(t *testing.T) {
	a := &asked{Objects: bucket(t, map[string]string{"k": "1\n", "m": "s3://b/k\n"})}
	read := func(source string) error {
		_, _, _, err := readAll(source, func() *items.Reader { return items.NewReader(a) })
		return err
	}
	for _, source := range []string{
		`{"Resource":"arn:aws:states:::s3:getObject","Parameters":{"Bucket":"b","Key":"k","VersionId":"v","ExpectedBucketOwner":"111111111111"},"ReaderConfig":{"InputType":"JSONL"}}`,
		`{"Resource":"arn:aws:states:::s3:getObject","Arguments":{"Bucket":"b","Key":"m","ExpectedBucketOwner":"111111111111"},"ReaderConfig":{"InputType":"JSONL","ManifestType":"ATHENA_DATA"}}`,
		`{"Resource":"arn:aws:states:::s3:listObjectsV2","Parameters":{"Bucket":"b","Prefix":"k","ExpectedBucketOwner":"111111111111"}}`,
	} {
		if err := read(source); err != nil {
			t.Fatal(err)
		}
	}
	const owner = "111111111111"
	want := []integration.Object{{Bucket: "b", Key: "k", Version: "v", Owner: owner}, {Bucket: "b", Key: "m", Owner: owner}, {Bucket: "b", Key: "k", Owner: owner}}
	if got := slices.Compact(a.opened); !slices.Equal(slices.DeleteFunc(got, func(o integration.Object) bool { return o == want[1] }), []integration.Object{want[0], want[2]}) {
		t.Errorf("opened %+v", got)
	}
	if len(a.listed) != 1 || a.listed[0].Owner != owner || a.listed[0].Prefix != "k" {
		t.Errorf("listed %+v", a.listed)
	}
	err := read(strings.Replace(object(`{"InputType":"PARQUET"}`), `"Key":"k"`, `"Key":"k","VersionId":"v"`, 1))
	if failure(err) != "VersionId is not supported for InputType PARQUET" {
		t.Error(err)
	}
}

// endless is an object of 10 GB that nobody has: lines of eight bytes.
type endless struct {
	integration.Objects
	read int64
}

func (e *endless) Open(context.Context, integration.Object) (integration.Content, error) {
	return e, nil
}
func (e *endless) Size() int64  { return 10_000_000_000 }
func (e *endless) ETag() string { return "e" }
func (e *endless) Close() error { return nil }

func (e *endless) ReadAt(_ context.Context, b []byte, at int64) (int, error) {
	for i := range b {
		b[i] = "1234567\n"[(at+int64(i))%8]
	}
	e.read += int64(len(b))
	return len(b), nil
}

// Of an object no more is read than the pages need, wherever in it they are.
func TestNoMoreIsReadThanIsGiven(t *testing.T) {
	e := &endless{}
	request := integration.ItemRequest{Source: value.Checked(object(`{"InputType":"JSONL"}`)).Decode(), Cursor: `{"bucket":"b","key":"k","etag":"e","n":40000000,"at":8000000000}`}
	r := items.NewReader(e)
	defer r.Close()
	for n := range 100 {
		page, err := r.Read(context.Background(), request)
		if err != nil || page.Items.Len() != 1000 || page.Items.Text().Len() > 9000 {
			t.Fatalf("page %d: %d items, %v", n, page.Items.Len(), err)
		}
		request.Cursor = page.Cursor
	}
	if given := int64(100 * 1000 * 8); e.read > given+512<<10 {
		t.Errorf("%d bytes were read for %d", e.read, given)
	}
}

// flaky is storage that fails every other time.
type flaky struct {
	integration.Objects
	n int
}

func (f *flaky) Open(ctx context.Context, o integration.Object) (integration.Content, error) {
	if f.n++; f.n%2 == 1 {
		return nil, errors.New("for a time")
	}
	c, err := f.Objects.Open(ctx, o)
	return &flakyContent{c, f}, err
}

type flakyContent struct {
	integration.Content
	f *flaky
}

func (c *flakyContent) ReadAt(ctx context.Context, b []byte, at int64) (int, error) {
	if c.f.n++; c.f.n%40 == 1 {
		return 0, errors.New("for a time")
	}
	return c.Content.ReadAt(ctx, b, at)
}

// What storage fails with is no fault of the data: the page can be read another
// time.
func TestStorageFails(t *testing.T) {
	long := strings.Repeat("{\"n\":1}\n", 2000)
	files := map[string]string{"lines": long, "z.gz": gzipped(long), "zz.zst": zstdeed(long), "p": table(1500)}
	for key := range files {
		kind := "JSONL"
		if key == "p" {
			kind = "PARQUET"
		}
		r := items.NewReader(&flaky{Objects: bucket(t, files)})
		request := integration.ItemRequest{Source: value.Checked(strings.Replace(object(`{"InputType":"`+kind+`"}`), `"k"`, `"`+key+`"`, 1)).Decode()}
		n, failures := 0, 0
		for over := false; !over; {
			page, err := r.Read(context.Background(), request)
			var failed *integration.Error
			if errors.As(err, &failed) || failures > 100 {
				t.Fatalf("%s: %v", key, err)
			}
			if err != nil {
				failures++
				continue
			}
			n += page.Items.Len()
			request.Cursor, over = page.Cursor, page.Over
		}
		if want := map[string]int{"p": 1500}[key]; n != max(want, 2000*(1-want/1500)) || failures == 0 {
			t.Errorf("%s: %d items after %d failures", key, n, failures)
		}
		r.Close()
	}
}
