package cli

// Serve runs a server. What it does not name, the configuration may.
type Serve struct {
	Listen   string `help:"Address to listen on; any but loopback needs keys in the configuration." env:"BACKSTEP_LISTEN" placeholder:"HOST:PORT (127.0.0.1:8083)"`
	Data     string `help:"Folder of the embedded store; made when it is not there." env:"BACKSTEP_DATA" type:"path" xor:"store" placeholder:"DIR (./backstep-data)"`
	Postgres string `help:"Keep everything in this PostgreSQL database instead." env:"BACKSTEP_POSTGRES" xor:"store" placeholder:"DSN"`
	Config   string `help:"Configuration: functions, topics, connections, keys, limits." env:"BACKSTEP_CONFIG" type:"path" placeholder:"FILE"`
	Limits   string `help:"aws: AWS's quotas hold; lifted: larger ones do." env:"BACKSTEP_LIMITS" enum:",aws,lifted" default:"" placeholder:"aws|lifted"`
	Strict   bool   `name:"strict-aws" help:"Be AWS and nothing more." env:"BACKSTEP_STRICT_AWS"`
	Mocks    string `name:"mock-config" help:"Test cases to run executions by, which mock states: a MockConfigFile.json of Step Functions Local." env:"BACKSTEP_MOCK_CONFIG,SFN_MOCK_CONFIG" type:"path" placeholder:"FILE"`
	LogLevel string `help:"debug, info, warn or error." env:"BACKSTEP_LOG_LEVEL" enum:"debug,info,warn,error" default:"info"`

	// Region and Account are the global flags, "" where they were not given.
	Region  string `kong:"-"`
	Account string `kong:"-"`
}

// Help is the long help of serve.
func (Serve) Help() string {
	return `It stops on SIGTERM or Ctrl-C: starts are refused from then on, calls under way
get time to end, and nothing fails by it.

Examples:
  backstep serve --data ./data
  backstep serve --data /var/lib/backstep --config /etc/backstep.yaml
  backstep serve --postgres postgres://backstep@localhost/backstep
  backstep serve --mock-config MockConfigFile.json`
}

// Run serves until the context ends.
func (v *Serve) Run(s *session) error {
	serve := *v
	serve.Region, serve.Account = s.Region, s.Account
	return s.Tools.Serve(s.ctx, serve)
}
