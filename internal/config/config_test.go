package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var environment = map[string]string{"TOKEN": "canary-1", "DIR": "/var/orders", "EMPTY": "", "PORT": "9000"}

func lookup(name string) (string, bool) {
	v, set := environment[name]
	return v, set
}

func load(t *testing.T, text string) (*Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "backstep.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, lookup)
	if err != nil {
		err = errors.New(strings.ReplaceAll(err.Error(), path, "backstep.yaml"))
	}
	return c, err
}

const whole = `
# All that there is.
listen: 0.0.0.0:${PORT}
hosts: [backstep.example.com, "*.internal"]
data: store
region: eu-west-1
account: "000000000042"
strict_aws: true
mock_config: tests.json
functions:
  Book: {url: "https://u:canary-2@book.example.com/invoke?key=${TOKEN}", concurrency: 16}
  Pay:
    command: [bin/pay, "-v", "$${HOME}"]
    env: {DATABASE: "${DIR}/pay.db", TOKEN: "${TOKEN}", NOTHING: "${EMPTY}"}
    timeout: 1m30s
topics:
  SagaTopic: log
  arn:aws:sns:us-east-1:123456789012:orders.fifo: {webhook: "http://127.0.0.1:8000/hook"}
connections:
  bank:
    hosts: [api.bank.example.com]
    api_key: {header: X-Api-Key, value: "${TOKEN}"}
  mail: {hosts: ["mail.internal:8080"], basic: {username: me, password: canary-3}, concurrency: 3, rate: {per_second: 20, burst: 5}}
logs: {file: executions.log}
events: {webhook: "https://canary-5@example.com/hook", source: com.example.sagas}
notifications:
  every: 5m
  link: https://console.example.com
  webhook: {url: "https://canary-6@hooks.example.com/x", secret: "${TOKEN}"}
  topic: Alarms
  mail: {server: "mail.example.com:587", username: me, password: canary-7, from: "Backstep <backstep@example.com>", to: [oncall@example.com]}
verify: {on_create: refuse, ignore: [SAGA016, SAGA020]}
buckets: {orders: {folder: data/orders}, other: {folder: /srv/other}}
http: {allow: ["api.bank.example.com:443", 10.0.0.0/8]}
keys: &keys
  AKIDEXAMPLE: "${TOKEN}"
status:
  shop:
    machines: [Order, "Ship*"]
    tokens: ["${TOKEN}-of-the-shop", canary-6-of-the-shop]
    output: [order.id, tracking]
    retry_after: 10s
    rate: {per_second: 5, burst: 10}
  desk: {machines: ["*"], api_key: {header: X-Desk-Key, value: canary-7-of-the-desk}}
limits: {requests: 512, polls: 100, calls: 64, services: {lambda: {concurrency: 9}, "http:api.example.com": {rate: {per_second: 5, burst: 2}}}, connections: 700, bodies: 8MiB, starts: 32, machine_calls: 16, call_memory: 64MiB, waiting: 5000, age: 2m, express: 8, memory: 512MiB, drain: 5s, retention: 30d, quotas: lifted, throttle: {StartExecution: {per_second: 300, burst: 1300}}}
`

func TestLoad(t *testing.T) {
	got, err := load(t, whole)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(got.Data)
	want := &Config{
		Listen: "0.0.0.0:9000", Hosts: []string{"backstep.example.com", "*.internal"}, Data: dir + "/store",
		Region: "eu-west-1", Account: "000000000042", StrictAWS: true, Mocks: dir + "/tests.json",
		Functions: map[string]Function{
			"Book": {URL: "https://u:canary-2@book.example.com/invoke?key=canary-1", Concurrency: 16},
			"Pay": {
				Command: []string{"bin/pay", "-v", "${HOME}"}, Dir: dir, Timeout: 90 * time.Second,
				Env: map[string]Secret{"DATABASE": "/var/orders/pay.db", "TOKEN": "canary-1", "NOTHING": ""},
			},
		},
		Topics: map[string]Topic{"SagaTopic": {}, "arn:aws:sns:us-east-1:123456789012:orders.fifo": {Webhook: "http://127.0.0.1:8000/hook"}},
		Connections: map[string]Connection{
			"bank": {Hosts: []string{"api.bank.example.com"}, APIKey: APIKey{Header: "X-Api-Key", Value: "canary-1"}},
			"mail": {Hosts: []string{"mail.internal:8080"}, Basic: Basic{Username: "me", Password: "canary-3"}, TaskLimit: TaskLimit{Concurrency: 3, Rate: Rate{PerSecond: 20, Burst: 5}}},
		},
		Logs:   Logs{To: LogsFile, File: dir + "/executions.log"},
		Events: Events{Webhook: "https://canary-5@example.com/hook", Source: "com.example.sagas"},
		Notifications: Notifications{
			Every: 5 * time.Minute, Link: "https://console.example.com", Webhook: Hook{URL: "https://canary-6@hooks.example.com/x", Secret: "canary-1"}, Topic: "Alarms",
			Mail: Mail{
				Server: "mail.example.com:587", Security: MailStartTLS, Username: "me", Password: "canary-7",
				From: "Backstep <backstep@example.com>", To: []string{"oncall@example.com"},
			},
		},
		Verify:  Verify{OnCreate: VerifyRefuse, Ignore: []string{"SAGA016", "SAGA020"}},
		Buckets: map[string]Bucket{"orders": {Folder: dir + "/data/orders"}, "other": {Folder: "/srv/other"}},
		HTTP:    HTTP{Allow: []string{"api.bank.example.com:443", "10.0.0.0/8"}},
		Keys:    map[string]Secret{"AKIDEXAMPLE": "canary-1"},
		Status: map[string]StatusRule{
			"shop": {Machines: []string{"Order", "Ship*"}, Tokens: []Secret{"canary-1-of-the-shop", "canary-6-of-the-shop"}, Output: []string{"order.id", "tracking"},
				RetryAfter: 10 * time.Second, Rate: Rate{PerSecond: 5, Burst: 10}},
			"desk": {Machines: []string{"*"}, APIKey: APIKey{Header: "X-Desk-Key", Value: "canary-7-of-the-desk"}},
		},
		Limits: Limits{
			Services:    map[string]TaskLimit{"lambda": {Concurrency: 9}, "http:api.example.com": {Rate: Rate{PerSecond: 5, Burst: 2}}},
			Connections: 700, Bodies: 8 << 20, Starts: 32, MachineCalls: 16, CallMemory: 64 << 20, Waiting: 5000, Age: 2 * time.Minute,
			Requests: 512, Polls: 100, Calls: 64, Express: 8, Memory: 512 << 20, Drain: 5 * time.Second, Retention: 720 * time.Hour,
			Quotas: QuotasLifted, Throttle: map[string]Rate{"StartExecution": {PerSecond: 300, Burst: 1300}},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %#v\nwant %#v", got, want)
	}
}

// However a configuration is printed, no secret of it is.
func TestSecretsAreNotPrinted(t *testing.T) {
	c, err := load(t, strings.Replace(whole, "data: store", "postgres: postgres://u:canary-4@db/x", 1))
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "config", c)
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "config", c, "secret", c.Postgres)
	for _, printed := range []string{fmt.Sprint(c), fmt.Sprintf("%+v %#v", c, c), fmt.Sprintf("%s %q %x", c.Postgres, c.Keys, c.Postgres), string(encoded), logged.String()} {
		if strings.Contains(printed, "canary") || strings.Contains(printed, fmt.Sprintf("%x", "canary")) {
			t.Errorf("printed %s", printed)
		}
	}
	if c.Functions["Book"].URL.String() != "https://%2A%2A%2A@book.example.com/invoke?***" || URL("http://a b").String() != "***" || URL("").String() != "" || Secret("").String() != "" {
		t.Errorf("printed %s", c.Functions["Book"].URL)
	}
}

func TestDefaults(t *testing.T) {
	want := Default()
	for _, text := range []string{"", "# nothing\n", "functions:\n", "---\n"} {
		c, err := load(t, text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		c.Functions = nil
		if !reflect.DeepEqual(c, want) {
			t.Errorf("%q: got %#v", text, c)
		}
	}
	if c, err := Load("", lookup); err != nil || !reflect.DeepEqual(c, want) {
		t.Errorf("no file: got %#v, %v", c, err)
	}
}

func TestEndpoints(t *testing.T) {
	env := map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:4574", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": "http://127.0.0.1:4586"}
	c, err := Load("", func(name string) (string, bool) { v, set := env[name]; return v, set })
	if err != nil || c.Endpoints != (Endpoints{Lambda: "http://127.0.0.1:4574", SNS: "http://127.0.0.1:4566", Logs: "http://127.0.0.1:4586", EventBridge: "http://127.0.0.1:4566", S3: "http://127.0.0.1:4566"}) {
		t.Errorf("got %+v, %v", c, err)
	}
	env["AWS_ENDPOINT_URL"] = "4566"
	if _, err := Load("", func(name string) (string, bool) { v, set := env[name]; return v, set }); err == nil || !strings.Contains(err.Error(), "AWS_ENDPOINT_URL_SNS or AWS_ENDPOINT_URL must be") {
		t.Errorf("got %v", err)
	}
}

func TestRefused(t *testing.T) {
	refused(t, []struct{ text, want string }{
		{"function:\n  A: {url: http://a}\n", "backstep.yaml:1: unknown key function; did you mean functions?"},
		{"functions:\n  A: {url: http://a, Concurency: 3}\n", "backstep.yaml:2: unknown key functions.A.Concurency; did you mean concurrency?"},
		{"http:\n  allowed: []\n", "backstep.yaml:2: unknown key http.allowed; did you mean allow?"},
		{"limits: {zzzzzz: 1}\n", "backstep.yaml:1: unknown key limits.zzzzzz; there are age, bodies, call_memory, calls, connections, drain, express, machine_calls, memory, polls, quotas, requests, retention, services, starts, throttle, waiting"},
		{"region: a\nregion: b\n", "backstep.yaml:2: region stands here again, after line 1"},
		{"logs: here\n", "backstep.yaml:1: logs must be cloudwatch, stdout, off, or {file: PATH}"},
		{"logs: {}\n", "backstep.yaml:1: logs needs a file"},
		{"logs: {path: x}\n", "backstep.yaml:1: unknown key logs.path; there are file"},
		{"events: {}\n", "backstep.yaml:1: events needs a webhook, or a bus of EventBridge"},
		{"events: {webhook: http://a, bus: default}\n", "backstep.yaml:1: events needs a webhook, or a bus of EventBridge"},
		{"events: {webhook: ftp://canary@a}\n", "backstep.yaml: events.webhook must be an address that begins with http:// or https://"},
		{"events: {bus: default, source: 'a b'}\n", `backstep.yaml: events.source: "a b" is no source`},
		{"data: ${file:none}\n", "backstep.yaml:1: data needs a file: open "},
		{"data: ${file:x\n", "backstep.yaml:1: data has ${ without NAME}"},
		{"- a\n", "backstep.yaml:1: must be a mapping of keys to values"},
		{"functions: [a]\n", "backstep.yaml:1: functions must be a mapping of keys to values"},
		{"? [a]\n: b\n", "backstep.yaml:1: has a key that is no text"},
		{"region: [a]\n", "backstep.yaml:1: region must be a single value"},
		{"region:\n", "backstep.yaml:1: region must be a single value"},
		{"hosts: a\n", "backstep.yaml:1: hosts must be a list"},
		{"hosts: [[a]]\n", "backstep.yaml:1: hosts[0] must be a single value"},
		{"strict_aws: maybe\n", "backstep.yaml:1: strict_aws must be true or false"},
		{"limits: {services: {http: {}}}\n", "backstep.yaml:1: limits.services.http needs a concurrency, a rate, or both"},
		{"limits: {quotas: none}\n", "backstep.yaml:1: limits.quotas must be aws or lifted"},
		{"limits: {throttle: {StartExecution: {burst: 1}}}\n", "backstep.yaml:1: limits.throttle.StartExecution needs per_second and burst"},
		{"limits: {throttle: {StartExecution: {burst: 0}}}\n", "backstep.yaml:1: limits.throttle.StartExecution.burst must be a whole number from 1"},
		{"limits: {calls: 0}\n", "backstep.yaml:1: limits.calls must be a whole number from 1 to 1000000"},
		{"limits: {memory: 512}\n", "backstep.yaml:1: limits.memory is no size, such as 256KiB, 512MiB or 2GB"},
		{"limits: {drain: 30}\n", "backstep.yaml:1: limits.drain is no duration, such as 250ms, 30s, 1h30m or 7d"},
		{"limits: {drain: 2d}\n", "backstep.yaml:1: limits.drain must be from 0s to 24h0m0s"},
		{"data: ${NOT_SET}/x\n", "backstep.yaml:1: data needs the environment variable NOT_SET, which is not set"},
		{"data: ${oh no}\n", "backstep.yaml:1: data has ${ without NAME} behind it (write $${ for the characters themselves)"},
		{"data: ${TOKEN\n", "backstep.yaml:1: data has ${ without NAME}"},
		{"functions:\n  A: {}\n", "backstep.yaml:2: functions.A needs a url or a command"},
		{"functions:\n  A: {url: http://a, command: [b]}\n", "backstep.yaml:2: functions.A has both a url and a command"},
		{"functions:\n  A: {url: http://a, env: {B: c}}\n", "backstep.yaml:2: functions.A has an env, which only a command takes"},
		{"functions:\n  A: {command: [a], timeout: 16m}\n", "backstep.yaml:2: functions.A.timeout must be from 1ms to 15m0s"},
		{"functions:\n  A: {command: [a], concurrency: many}\n", "backstep.yaml:2: functions.A.concurrency must be a whole number from 1 to 10000"},
		{"buckets:\n  a: {}\n", "backstep.yaml:2: buckets.a needs a folder"},
		{"buckets:\n  a_b: {folder: a}\n", "backstep.yaml: buckets.a_b is no name of a bucket"},
		{"functions:\n  A b: {url: http://a}\n", "backstep.yaml: functions.A b is no name of a function"},
		{"functions:\n  A: {url: a.example}\n", "backstep.yaml: functions.A.url must be an address that begins with http:// or https://"},
		{"topics: {A: mail}\n", "backstep.yaml:1: topics.A must be log, or {webhook: URL}"},
		{"topics: {A: {}}\n", "backstep.yaml:1: topics.A needs a webhook"},
		{"topics: {A: {webhook: 'file:///x'}}\n", "backstep.yaml: topics.A.webhook must be an address"},
		{"topics: {'a b': log}\n", "backstep.yaml: topics.a b is no name and no ARN of a topic"},
		{"connections: {A: {api_key: {header: X, value: y}}}\n", "backstep.yaml:1: connections.A needs hosts: it is sent to no other"},
		{"connections: {A: {hosts: [a]}}\n", "backstep.yaml:1: connections.A needs an api_key, or a basic user"},
		{"connections: {A: {hosts: [a], api_key: {header: X}}}\n", "backstep.yaml:1: connections.A.api_key needs a header and a value"},
		{"connections: {A: {hosts: [a], basic: {password: x}}}\n", "backstep.yaml:1: connections.A.basic needs a username and a password"},
		{"listen: 0.0.0.0:8083\n", "backstep.yaml: listen: 0.0.0.0:8083 can be reached from other machines, which needs keys: (access key id: secret); without them listen at 127.0.0.1:8083"},
		{"listen: ':8083'\n", "backstep.yaml: listen: :8083 can be reached from other machines"},
		{"listen: 10.0.0.1:8083\n", "backstep.yaml: listen: 10.0.0.1:8083 can be reached from other machines"},
		{"listen: 8083\n", `backstep.yaml: listen: "8083" is no host:port`},
		{"listen: 127.0.0.1:99999\n", `backstep.yaml: listen: "127.0.0.1:99999" is no host:port`},
		{"hosts: ['a/b']\n", `backstep.yaml: hosts: "a/b" is no host's name`},
		{"data: x\npostgres: y\n", "backstep.yaml: data and postgres: one of the two is needed, not both"},
		{"data: ''\n", "backstep.yaml: data and postgres: one of the two is needed, not both"},
		{"account: 42\n", `backstep.yaml: account: "42" is no account, which has 12 digits`},
		{"region: 'us east'\n", `backstep.yaml: region: "us east" is no region`},
		{"keys: {AKID: ''}\n", "backstep.yaml: keys.AKID must be an access key id"},
		{"keys: {'': x}\n", "backstep.yaml: keys. must be an access key id"},
		{"status: on\n", "backstep.yaml:1: status must be a mapping of keys to values"},
		{"status: {a: {}}\n", "backstep.yaml:1: status.a needs machines"},
		{"status: {a: {machines: [M]}}\n", "backstep.yaml:1: status.a needs tokens or an api_key: it lets nobody in"},
		{"status: {a: {machines: [M], token: x}}\n", "backstep.yaml:1: unknown key status.a.token; did you mean tokens?"},
		{"status: {a: {machines: [M], tokens: canary-8-is-no-list}}\n", "backstep.yaml:1: status.a.tokens must be a list"},
		{"status: {a: {machines: [M], tokens: [canary-8-short]}}\n", "backstep.yaml: status.a.tokens[0] is shorter than 16 characters, which can be guessed"},
		{"status: {a: {machines: [M], tokens: ['canary 8 with a blank']}}\n", "backstep.yaml: status.a.tokens[0] must be of visible characters of ASCII"},
		{"status: {a: {machines: [M], tokens: [\"canary-8-\u00f6\u00f6\u00f6\u00f6\u00f6\u00f6\u00f6\"]}}\n", "backstep.yaml: status.a.tokens[0] must be of visible characters of ASCII"},
		{"status: {a: {machines: [M], api_key: {header: X}}}\n", "backstep.yaml:1: status.a.api_key needs a header and a value"},
		{"status: {a: {machines: [M], api_key: {header: X, value: canary-8}}}\n", "backstep.yaml: status.a.api_key.value is shorter than 16 characters"},
		{"status: {a: {machines: [M], api_key: {header: 'X Y', value: canary-8-long-enough}}}\n", `backstep.yaml: status.a.api_key.header: "X Y" is no name of a header of its own`},
		{"status: {a: {machines: [M], api_key: {header: authorization, value: canary-8-long-enough}}}\n", `backstep.yaml: status.a.api_key.header: "authorization" is no name of a header of its own`},
		{"status: {a: {machines: ['M:1'], tokens: [canary-8-long-enough]}}\n", `backstep.yaml: status.a.machines[0] "M:1" is no name of a state machine`},
		{"status: {a: {machines: [M, '[a'], tokens: [canary-8-long-enough]}}\n", `backstep.yaml: status.a.machines[1] "[a" is no name of a state machine`},
		{"status: {a: {machines: [M], tokens: [canary-8-long-enough], output: [a..b]}}\n", `backstep.yaml: status.a.output[0] "a..b" is no member of the output`},
		{"status: {a: {machines: [M], tokens: [canary-8-long-enough], retry_after: 10ms}}\n", "backstep.yaml:1: status.a.retry_after must be from 1s to 1h0m0s"},
		{"status: {a: {machines: [M], tokens: [canary-8-long-enough], rate: {burst: 3}}}\n", "backstep.yaml:1: status.a.rate needs per_second and burst"},
		{"status: {a b: {machines: [M], tokens: [canary-8-long-enough]}}\n", "backstep.yaml: status.a b is no name of a rule"},
		{"status: {a: {machines: [M], tokens: ['${NOT_SET}']}}\n", "backstep.yaml:1: status.a.tokens[0] needs the environment variable NOT_SET, which is not set"},
		{"region: a\na: [b\n", "backstep.yaml:3: did not find expected"},
		{"\xff", "backstep.yaml: "},
		{"region: a\n---\nregion: b\n", "backstep.yaml:2: a second document; there must be one"},
		{strings.Repeat("#", maxFile+1), "backstep.yaml is longer than 1048576 bytes"},
	})
}

// refused holds that each text is refused so, without a word of its secrets.
func refused(t *testing.T, tests []struct{ text, want string }) {
	t.Helper()
	for _, test := range tests {
		_, err := load(t, test.text)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.60q: got %v, want %s", test.text, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%.60q: the error tells a secret: %v", test.text, err)
		}
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, err := load(t, "regoin: a\nlimits: {call: 3, drain: x}\n")
	want := "backstep.yaml:1: unknown key regoin; did you mean region?\n" +
		"backstep.yaml:2: unknown key limits.call; did you mean calls?\n" +
		"backstep.yaml:2: limits.drain is no duration, such as 250ms, 30s, 1h30m or 7d"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestLoopbackNeedsNoKeys(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "'[::1]:8083'", "localhost:8083", "127.9.9.9:1"} {
		if _, err := load(t, "listen: "+listen+"\n"); err != nil {
			t.Errorf("%s: %v", listen, err)
		}
	}
	c := Default()
	c.Listen = "192.168.1.4:8083"
	if err := c.Check(); err == nil {
		t.Error("a flag's address that others reach needs no keys")
	}
	c.Keys = map[string]Secret{"AKID": "x"}
	if err := c.Check(); err != nil {
		t.Error(err)
	}
}

func TestNoFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"), lookup)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := Load(t.TempDir(), lookup); err == nil {
		t.Error("a folder was read as a file")
	}
}

func TestReports(t *testing.T) {
	for text, want := range map[string]Logs{"logs: stdout\n": {To: LogsStdout}, "logs: cloudwatch\n": {To: LogsCloudWatch}, "logs: off\n": {To: LogsOff}, "logs: {file: /var/log/sagas}\n": {To: LogsFile, File: "/var/log/sagas"}} {
		if c, err := load(t, text); err != nil || c.Logs != want {
			t.Errorf("%q: got %+v, %v", text, c, err)
		}
	}
	if c, err := load(t, "events: {bus: default}\n"); err != nil || c.Events != (Events{Bus: "default", Source: EventSource}) {
		t.Errorf("got %+v, %v", c, err)
	}
}

// A secret may stand in a file of its own, beside the configuration or anywhere.
func TestSecretsInFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	elsewhere := write("elsewhere", "canary-2")
	write("secret", "canary-1\r\n")
	path := write("backstep.yaml", "keys: {A: '${file:secret}', B: 'x-${file:"+elsewhere+"}-y'}\n")
	c, err := Load(path, lookup)
	if err != nil || c.Keys["A"] != "canary-1" || c.Keys["B"] != "x-canary-2-y" {
		t.Errorf("%#v, %v", c, err)
	}
	write("secret", strings.Repeat("x", maxHeld+1))
	if _, err := Load(path, lookup); err == nil || !strings.Contains(err.Error(), "keys.A needs a file") || !strings.Contains(err.Error(), "is longer than 65536 bytes") {
		t.Error(err)
	}
}

func TestQuantities(t *testing.T) {
	for text, want := range map[string]int64{"0B": 0, "1KiB": 1024, "2 GB": 2e9, "3TiB": 3 << 40, "9MB": 9e6, "": -1, "1": -1, "-1B": -1, "1.5KiB": -1, "99999999TiB": -1, "KB": -1} {
		got, err := parseSize(text)
		if (err == nil) != (want >= 0) || err == nil && got != want {
			t.Errorf("%q: got %d, %v", text, got, err)
		}
	}
	for text, want := range map[string]time.Duration{"1h30m": 90 * time.Minute, "7d": 168 * time.Hour, "0s": 0, "": -1, "-1s": -1, "5": -1, "d": -1} {
		got, err := parseDuration(text)
		if (err == nil) != (want >= 0) || err == nil && got != want {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
}
