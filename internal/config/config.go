// Package config is Backstep's configuration: one YAML file and the
// environment become one struct, which is checked whole before anything
// starts. Unknown keys are refused, and every complaint names file and line.
//
// It refuses to know what the settings do, and reads nothing but the file it is
// given and the files of secrets that this names: the environment is asked through
// a function.
//
// Read config.go (the struct), check.go (what holds of it), then load.go (from
// file to struct) with report.go (logs and events), notifications.go and status.go,
// verify.go, decode.go (from YAML to values), quantity.go and secret.go.
package config

import "time"

// Config is all that a server is told. [Default] has the settings of one that
// is told nothing.
type Config struct {
	Listen    string // host:port
	Hosts     []string
	Data      string // folder of the embedded store; "" where Postgres is given, never both
	Postgres  Secret // connection string; "" for the embedded store
	Region    string
	Account   string
	StrictAWS bool   // be AWS and nothing more: participants are told nothing else
	Mocks     string // file of a mock configuration, as Step Functions Local has it; "": nothing is mocked

	Functions     map[string]Function
	Topics        map[string]Topic
	Connections   map[string]Connection
	Logs          Logs
	Events        Events
	Notifications Notifications
	Verify        Verify
	HTTP          HTTP
	Buckets       map[string]Bucket
	Keys          map[string]Secret // by access key id
	Limits        Limits
	Endpoints     Endpoints

	Status map[string]StatusRule // by names of their own; none: nobody may ask
}

// Function is a Lambda function: a URL, or a command that speaks the Lambda
// Runtime API.
type Function struct {
	URL         URL
	Command     []string
	Dir         string // where the command is run: the folder of the file
	Env         map[string]Secret
	Concurrency int           // invocations at once, in as many processes of a command or connections to a URL; 0: 4 of a command, of a URL as the limits have it
	Rate        Rate          // of invocations; zero: any
	Timeout     time.Duration // of one invocation of a command; 0: as long as Lambda knows
}

// Topic is where messages to an SNS topic go: to a webhook, or, without one, to
// the log.
type Topic struct{ Webhook URL }

// Connection is the credentials for some hosts: an API key in a header, or a
// user's name and password.
type Connection struct {
	Hosts  []string
	APIKey APIKey
	Basic  Basic
	TaskLimit
}

// TaskLimit bounds the calls of a service, or of one that it leads to.
type TaskLimit struct {
	Concurrency int  // calls at once; 0: as the limits have it
	Rate        Rate // zero: any
}

// APIKey is a secret that stands in a header.
type APIKey struct {
	Header string
	Value  Secret
}

// Basic is a user, as HTTP's basic authentication has it.
type Basic struct {
	Username string
	Password Secret
}

// Bucket is a bucket of objects that is a folder of this machine: what
// distributed Maps read and write.
type Bucket struct{ Folder string }

// HTTP is what HTTP tasks may call: "host:port" or a CIDR each.
type HTTP struct{ Allow []string }

// Limits bound what a server takes upon itself; 0 leaves it to the server.
type Limits struct {
	Requests int                  // API requests under way at once
	Polls    int                  // requests at once that wait for something
	Calls    int                  // task calls under way at once
	Services map[string]TaskLimit // … by service ("lambda", "aws-sdk:s3") or by one that it leads to ("http:api.example.com")

	Connections  int           // connections open to the API
	Bodies       int64         // bytes of the API requests under way
	Starts       int           // starts taken at once
	MachineCalls int           // task calls of one state machine under way at once
	CallMemory   int64         // bytes of requests and answers of task calls under way
	Waiting      int           // jobs that wait for their turn in memory
	Age          time.Duration // how long a state machine's may wait, before its starts are refused

	Express int           // express executions at once
	Memory  int64         // bytes of executions kept in memory
	Drain   time.Duration // how long calls under way may take when the server is stopped

	Retention time.Duration // how long executions are kept once they have ended; 0: for ever

	Quotas   string          // QuotasAWS or QuotasLifted; "": AWS's
	Throttle map[string]Rate // by operation's name
}

// The sets of quotas that executions keep.
const (
	QuotasAWS    = "aws"
	QuotasLifted = "lifted"
)

// Rate is how often something may be called: Burst times at once, PerSecond times
// a second in the long run.
type Rate struct{ PerSecond, Burst int }

// Endpoints are servers of AWS's protocols that the environment names, as it
// does for AWS's own clients: AWS_ENDPOINT_URL_LAMBDA, AWS_ENDPOINT_URL_SNS,
// AWS_ENDPOINT_URL_CLOUDWATCH_LOGS, AWS_ENDPOINT_URL_EVENTBRIDGE,
// AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL.
type Endpoints struct{ Lambda, SNS, Logs, EventBridge, S3 URL }

// Default is the configuration of a server that is told nothing.
func Default() *Config {
	return &Config{
		Listen:  "127.0.0.1:8083",
		Data:    "backstep-data",
		Region:  "us-east-1",
		Account: "123456789012",
		Limits:  Limits{Drain: 30 * time.Second, Retention: 90 * 24 * time.Hour},

		Notifications: Notifications{Every: time.Minute},
	}
}
