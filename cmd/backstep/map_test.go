package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
)

// storage is an S3 server with one bucket, "cloud".
type storage struct {
	mu      sync.Mutex
	objects map[string][]byte
}

// listing is what ListObjectsV2 answers.
type listing struct {
	XMLName     xml.Name `xml:"ListBucketResult"`
	IsTruncated bool
	Contents    []listed
}

type listed struct {
	Key, ETag, StorageClass string
	LastModified            time.Time
	Size                    int
}

func (s *storage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, within := strings.CutPrefix(r.URL.Path, "/cloud/")
	body, there := s.objects[key]
	switch {
	case !strings.Contains(r.Header.Get("Authorization"), "/s3/aws4_request"):
		w.WriteHeader(http.StatusForbidden)
	case r.URL.Query().Get("list-type") == "2":
		s.list(w, r)
	case r.Method == http.MethodPut && within:
		s.objects[key], _ = io.ReadAll(r.Body)
	case !there:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>")
	default:
		w.Header().Set("ETag", fmt.Sprintf(`"%d"`, len(body)))
		http.ServeContent(w, r, key, time.Unix(60, 0), bytes.NewReader(body))
	}
}

func (s *storage) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	most, _ := strconv.Atoi(q.Get("max-keys"))
	var keys []string
	for key := range s.objects {
		if strings.HasPrefix(key, q.Get("prefix")) && key > q.Get("start-after") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	page := listing{IsTruncated: len(keys) > most}
	for _, key := range keys[:min(most, len(keys))] {
		n := len(s.objects[key])
		page.Contents = append(page.Contents, listed{key, fmt.Sprintf(`"%d"`, n), "STANDARD", time.Unix(60, 0).UTC(), n})
	}
	text, _ := xml.Marshal(page)
	_, _ = w.Write(text)
}

const mappedItems = 2000

// inputs are the same items in many forms, and what reads them.
func inputs(t *testing.T) (objects map[string][]byte, readers map[string]string) {
	t.Helper()
	type row struct {
		N string `parquet:"n"`
	}
	var csv, lines strings.Builder
	rows := make([]row, mappedItems)
	csv.WriteString("n\n")
	for i := range rows {
		rows[i].N = strconv.Itoa(i)
		fmt.Fprintf(&csv, "%d\n", i)
		fmt.Fprintf(&lines, "{\"n\":\"%d\"}\n", i)
	}
	var zipped, table bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(csv.String()))
	z.Close()
	w := parquet.NewGenericWriter[row](&table, parquet.MaxRowsPerRowGroup(300))
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	packer, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	text := lines.String()
	half := strings.Index(text, `{"n":"1000"}`)
	objects = map[string][]byte{
		"csv/rows.csv.gz": zipped.Bytes(), "table.parquet": table.Bytes(),
		"json/all.json": []byte("[" + strings.ReplaceAll(strings.TrimSpace(text), "\n", ",") + "]"),
		"lines/1.jsonl": []byte(text[:half]), "lines/2.jsonl.zst": packer.EncodeAll([]byte(text[half:]), nil),
		"unload-manifest.csv": []byte("s3://cloud/lines/1.jsonl\ns3://cloud/lines/2.jsonl.zst\n"),
	}
	get := `{"Resource":"arn:aws:states:::s3:getObject","Parameters":{"Bucket":"cloud","Key":"%s"},"ReaderConfig":{%s}}`
	readers = map[string]string{
		"csv":     fmt.Sprintf(get, "csv/rows.csv.gz", `"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"`),
		"json":    fmt.Sprintf(get, "json/all.json", `"InputType":"JSON"`),
		"parquet": fmt.Sprintf(get, "table.parquet", `"InputType":"PARQUET"`),
		"athena":  fmt.Sprintf(get, "unload-manifest.csv", `"InputType":"JSONL","ManifestType":"ATHENA_DATA"`),
		"listed": `{"Resource":"arn:aws:states:::s3:listObjectsV2","Parameters":{"Bucket":"cloud","Prefix":"lines/"},
			"ReaderConfig":{"InputType":"JSONL","Transformation":"LOAD_AND_FLATTEN"}}`,
	}
	return objects, readers
}

// Distributed Maps read objects of an S3 server in every form, and write their
// results to a folder. The server is killed in the middle of all of them: each
// item is there once.
func TestMapsOfObjects(t *testing.T) {
	t.Parallel()
	s := &storage{}
	var readers map[string]string
	s.objects, readers = inputs(t)
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	data, results := filepath.Join(t.TempDir(), "data"), t.TempDir()
	serve := func() (*node, *sdk) {
		n := serveFrom(t, data, "buckets: {here: {folder: "+results+"}}", "AWS_ENDPOINT_URL_S3="+web.URL, "AWS_ACCESS_KEY_ID=key", "AWS_SECRET_ACCESS_KEY=secret")
		return n, &sdk{newClient(n, "any", "any"), context.Background(), nil}
	}
	n, client := serve()
	started := map[string]*string{}
	for name, reader := range readers {
		definition := `{"StartAt":"Each","States":{"Each":{"Type":"Map","Label":"Each","MaxConcurrency":40,"End":true,"ItemReader":` + reader + `,
			"ItemSelector":{"n.$":"$$.Map.Item.Value.n","from.$":"$$.Map.Item.Source"},"ItemBatcher":{"MaxItemsPerBatch":10},
			"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"EXPRESS"},"StartAt":"Hold","States":{
				"Hold":{"Type":"Wait","Seconds":1,"Next":"Give"},"Give":{"Type":"Pass","OutputPath":"$.Items","End":true}}},
			"ResultWriter":{"Resource":"arn:aws:states:::s3:putObject","Parameters":{"Bucket":"here","Prefix":"` + name + `"},
				"WriterConfig":{"Transformation":"FLATTEN","OutputType":"JSONL"}}}}}`
		machine, err := client.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{Name: &name, Definition: &definition, RoleArn: aws.String(role)})
		if err != nil {
			t.Fatal(err)
		}
		started[name] = client.start(t, machine.StateMachineArn, "one", "{}")
	}
	await(t, "some of the children", func() bool {
		for _, execution := range started {
			if succeeded(t, client, execution) == 0 {
				return false
			}
		}
		return true
	})
	if err := n.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	n.asked.Do(func() {})
	n.ended.Do(func() { _ = n.process.Wait() })
	_, client = serve()
	for name, execution := range started {
		if got := succeeded(t, client, execution); got == mappedItems {
			t.Errorf("%s had ended before the server was killed", name)
		}
	}
	for name, execution := range started {
		if out := client.ended(t, execution); out.Status != types.ExecutionStatusSucceeded {
			t.Errorf("%s: %s, %s, %s", name, out.Status, aws.ToString(out.Error), aws.ToString(out.Cause))
			continue
		}
		times := map[string]int{}
		files, err := filepath.Glob(filepath.Join(results, name, "*", "SUCCEEDED_*.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(text)) {
				times[strings.TrimSpace(line)]++
			}
		}
		for i := range mappedItems {
			if line := fmt.Sprintf(`{"n":"%d","from":"s3://cloud/%s"}`, i, sourceOf(name, i)); times[line] != 1 {
				t.Fatalf("%s: %s is there %d times", name, line, times[line])
			}
		}
		if len(times) != mappedItems {
			t.Errorf("%s: %d items", name, len(times))
		}
	}
}

// sourceOf is the object that an item is from.
func sourceOf(name string, i int) string {
	switch name {
	case "csv":
		return "csv/rows.csv.gz"
	case "json":
		return "json/all.json"
	case "parquet":
		return "table.parquet"
	}
	if i < 1000 {
		return "lines/1.jsonl"
	}
	return "lines/2.jsonl.zst"
}

// succeeded counts the items of an execution's map run that have gone well.
func succeeded(t *testing.T, client *sdk, execution *string) int64 {
	t.Helper()
	runs, err := client.ListMapRuns(t.Context(), &sfn.ListMapRunsInput{ExecutionArn: execution})
	if err != nil {
		t.Fatal(err)
	}
	if len(runs.MapRuns) == 0 {
		return 0
	}
	run, err := client.DescribeMapRun(t.Context(), &sfn.DescribeMapRunInput{MapRunArn: runs.MapRuns[0].MapRunArn})
	if err != nil {
		t.Fatal(err)
	}
	return run.ItemCounts.Succeeded
}
