package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// maxFile bounds a configuration file in bytes.
const maxFile = 1 << 20

// Error tells all that is wrong with a configuration, one line each.
type Error struct{ Problems []string }

func (e *Error) Error() string { return strings.Join(e.Problems, "\n") }

// Load reads a configuration file over the defaults; "" is no file. The
// environment is asked by lookup, such as [os.LookupEnv], for the variables
// that the file names and for AWS's endpoints. What comes is checked; the
// error is an *[Error], or tells why the file can't be read.
func Load(path string, lookup func(string) (string, bool)) (*Config, error) {
	c := Default()
	c.Endpoints = Endpoints{
		Lambda: endpoint(lookup, "LAMBDA"), SNS: endpoint(lookup, "SNS"), S3: endpoint(lookup, "S3"),
		Logs: endpoint(lookup, "CLOUDWATCH_LOGS"), EventBridge: endpoint(lookup, "EVENTBRIDGE"),
	}
	if path == "" {
		return c, c.Check()
	}
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	d := &decoder{file: path, folder: folder(path), lookup: lookup}
	if root := d.parse(text); root != nil {
		d.object(root, "", c.settings(d.folder))
	}
	if len(d.problems) == 0 {
		var wrong *Error
		if errors.As(c.Check(), &wrong) {
			d.problems = prefixed(path, wrong.Problems)
		}
	}
	if len(d.problems) > 0 {
		return nil, &Error{d.problems}
	}
	return c, nil
}

// endpoint is the server that the environment names for a service of AWS's.
func endpoint(lookup func(string) (string, bool), service string) URL {
	if v, set := lookup("AWS_ENDPOINT_URL_" + service); set && v != "" {
		return URL(v)
	}
	v, _ := lookup("AWS_ENDPOINT_URL")
	return URL(v)
}

func read(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("configuration: %s is longer than %d bytes", path, maxFile)
	}
	return text, nil
}

// folder is where relative paths of a file begin.
func folder(path string) string {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return filepath.Dir(path)
	}
	return filepath.Dir(absolute)
}

// parse is the file's one document, nil for an empty one.
func (d *decoder) parse(text []byte) *yaml.Node {
	stream := yaml.NewDecoder(bytes.NewReader(text))
	var document, more yaml.Node
	err := stream.Decode(&document)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		d.problems = append(d.problems, d.file+syntax(err))
		return nil
	}
	if err := stream.Decode(&more); !errors.Is(err, io.EOF) {
		d.problem(&more, "", "a second document; there must be one")
		return nil
	}
	if document.Kind == yaml.DocumentNode {
		return document.Content[0]
	}
	return &document
}

// syntax is the YAML library's complaint, its line where ours have it.
func syntax(err error) string {
	what := strings.ReplaceAll(strings.TrimPrefix(err.Error(), "yaml: "), "\n", " ")
	if line, rest, ok := strings.Cut(strings.TrimPrefix(what, "line "), ": "); ok && line != what && strings.Trim(line, "0123456789") == "" {
		return ":" + line + ": " + rest
	}
	return ": " + what
}

func prefixed(path string, problems []string) []string {
	all := make([]string, len(problems))
	for i, problem := range problems {
		all[i] = path + ": " + problem
	}
	return all
}

// settings are the keys of the file.
func (c *Config) settings(folder string) map[string]setting {
	return map[string]setting{
		"listen":      text(&c.Listen),
		"hosts":       list(&c.Hosts),
		"data":        within(&c.Data, folder),
		"mock_config": within(&c.Mocks, folder),
		"postgres":    c.postgres(),
		"region":      text(&c.Region),
		"account":     text(&c.Account),
		"strict_aws":  truth(&c.StrictAWS),
		"functions":   named(&c.Functions, func(d *decoder, n *yaml.Node, at string) Function { return function(d, n, at, folder) }),
		"topics":      named(&c.Topics, topic),
		"connections": named(&c.Connections, connection),
		"logs":        c.Logs.setting(folder),
		"events":      c.Events.setting(),

		"notifications": c.Notifications.setting(),
		"verify":        c.Verify.setting(),
		"http": func(d *decoder, n *yaml.Node, path string) {
			d.object(n, path, map[string]setting{"allow": list(&c.HTTP.Allow)})
		},
		"buckets": named(&c.Buckets, func(d *decoder, n *yaml.Node, at string) Bucket { return bucket(d, n, at, folder) }),
		"keys":    secrets(&c.Keys),
		"limits":  c.Limits.setting(),
		"status":  named(&c.Status, statusRule),
	}
}

// within reads a path that is relative to a folder: the configuration file's.
func within(to *string, folder string) setting {
	return func(d *decoder, n *yaml.Node, path string) {
		v, ok := d.scalar(n, path)
		if ok && v != "" && !filepath.IsAbs(v) {
			v = filepath.Join(folder, v)
		}
		*to = v
	}
}

// postgres takes the place of the default folder, not of one that is named.
func (c *Config) postgres() setting {
	return func(d *decoder, n *yaml.Node, path string) {
		if secret(&c.Postgres)(d, n, path); c.Data == Default().Data {
			c.Data = ""
		}
	}
}

// named reads a mapping of names to things of one kind.
func named[T any](to *map[string]T, one func(d *decoder, n *yaml.Node, at string) T) setting {
	return func(d *decoder, n *yaml.Node, path string) {
		all := make(map[string]T)
		d.each(n, path, func(key, v *yaml.Node, at string) { all[key.Value] = one(d, v, at) })
		*to = all
	}
}

func function(d *decoder, n *yaml.Node, at, folder string) Function {
	var f Function
	before := len(d.problems)
	d.object(n, at, map[string]setting{
		"url":         address(&f.URL),
		"command":     list(&f.Command),
		"env":         secrets(&f.Env),
		"concurrency": number(&f.Concurrency, 1, 10000),
		"rate":        rateOf(&f.Rate),
		"timeout":     duration(&f.Timeout, time.Millisecond, 15*time.Minute),
	})
	switch {
	case len(d.problems) > before:
	case f.URL == "" && len(f.Command) == 0:
		d.problem(n, at, "needs a url or a command")
	case f.URL != "" && len(f.Command) > 0:
		d.problem(n, at, "has both a url and a command")
	case f.URL != "" && f.Env != nil:
		d.problem(n, at, "has an env, which only a command takes")
	}
	if len(f.Command) > 0 {
		f.Dir = folder
	}
	return f
}

func topic(d *decoder, n *yaml.Node, at string) Topic {
	var t Topic
	if n = follow(n); n.Kind == yaml.ScalarNode {
		if n.Value != "log" {
			d.problem(n, at, "must be log, or {webhook: URL}")
		}
		return t
	}
	before := len(d.problems)
	d.object(n, at, map[string]setting{"webhook": address(&t.Webhook)})
	if t.Webhook == "" && len(d.problems) == before {
		d.problem(n, at, "needs a webhook")
	}
	return t
}

func bucket(d *decoder, n *yaml.Node, at, folder string) Bucket {
	var b Bucket
	before := len(d.problems)
	d.object(n, at, map[string]setting{"folder": text(&b.Folder)})
	switch {
	case len(d.problems) > before:
	case b.Folder == "":
		d.problem(n, at, "needs a folder")
	case !filepath.IsAbs(b.Folder):
		b.Folder = filepath.Join(folder, b.Folder)
	}
	return b
}

func connection(d *decoder, n *yaml.Node, at string) Connection {
	var c Connection
	before := len(d.problems)
	d.object(n, at, map[string]setting{
		"hosts": list(&c.Hosts),
		"api_key": func(d *decoder, n *yaml.Node, path string) {
			d.object(n, path, map[string]setting{"header": text(&c.APIKey.Header), "value": secret(&c.APIKey.Value)})
		},
		"basic": func(d *decoder, n *yaml.Node, path string) {
			d.object(n, path, map[string]setting{"username": text(&c.Basic.Username), "password": secret(&c.Basic.Password)})
		},
		"concurrency": number(&c.Concurrency, 1, 10000),
		"rate":        rateOf(&c.Rate),
	})
	key, user := c.APIKey != (APIKey{}), c.Basic != (Basic{})
	switch {
	case len(d.problems) > before:
	case len(c.Hosts) == 0:
		d.problem(n, at, "needs hosts: it is sent to no other")
	case key == user:
		d.problem(n, at, "needs an api_key, or a basic user")
	case key && (c.APIKey.Header == "" || c.APIKey.Value == ""):
		d.problem(n, at+".api_key", "needs a header and a value")
	case user && (c.Basic.Username == "" || c.Basic.Password == ""):
		d.problem(n, at+".basic", "needs a username and a password")
	}
	return c
}

func (l *Limits) setting() setting {
	return func(d *decoder, n *yaml.Node, path string) {
		d.object(n, path, map[string]setting{
			"requests": number(&l.Requests, 1, 1_000_000),
			"polls":    number(&l.Polls, 1, 1_000_000),
			"calls":    number(&l.Calls, 1, 1_000_000),
			"services": named(&l.Services, taskLimit),

			"connections":   number(&l.Connections, 1, 1_000_000),
			"bodies":        size(&l.Bodies),
			"starts":        number(&l.Starts, 1, 100_000),
			"machine_calls": number(&l.MachineCalls, 1, 1_000_000),
			"call_memory":   size(&l.CallMemory),
			"waiting":       number(&l.Waiting, 1, 10_000_000),
			"age":           duration(&l.Age, time.Second, 24*time.Hour),

			"express":   number(&l.Express, 1, 1_000_000),
			"memory":    size(&l.Memory),
			"drain":     duration(&l.Drain, 0, 24*time.Hour),
			"retention": duration(&l.Retention, 0, 3650*24*time.Hour),
			"quotas":    oneOf(&l.Quotas, QuotasAWS, QuotasLifted),
			"throttle":  named(&l.Throttle, rate),
		})
	}
}

func taskLimit(d *decoder, n *yaml.Node, at string) TaskLimit {
	var l TaskLimit
	before := len(d.problems)
	d.object(n, at, map[string]setting{"concurrency": number(&l.Concurrency, 1, 1_000_000), "rate": rateOf(&l.Rate)})
	if l == (TaskLimit{}) && len(d.problems) == before {
		d.problem(n, at, "needs a concurrency, a rate, or both")
	}
	return l
}

func rateOf(to *Rate) setting {
	return func(d *decoder, n *yaml.Node, path string) { *to = rate(d, n, path) }
}

func rate(d *decoder, n *yaml.Node, at string) Rate {
	var r Rate
	before := len(d.problems)
	d.object(n, at, map[string]setting{"per_second": number(&r.PerSecond, 1, 1_000_000), "burst": number(&r.Burst, 1, 1_000_000)})
	if (r.PerSecond == 0 || r.Burst == 0) && len(d.problems) == before {
		d.problem(n, at, "needs per_second and burst")
	}
	return r
}
