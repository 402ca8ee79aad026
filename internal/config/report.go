package config

import (
	"path/filepath"

	"go.yaml.in/yaml/v4"
)

// Logs is where the log events go of state machines that log.
type Logs struct {
	To   string // LogsCloudWatch, LogsStdout, LogsFile, LogsOff; "": CloudWatch where an endpoint of it is named, else off
	File string // of LogsFile
}

// The places of log events.
const (
	LogsCloudWatch = "cloudwatch"
	LogsStdout     = "stdout"
	LogsFile       = "file"
	LogsOff        = "off"
)

// Events is where changes of executions' statuses go: to a webhook, to a bus of
// EventBridge, or, where it is zero, nowhere.
type Events struct {
	Webhook URL
	Bus     string // name or ARN
	Source  string // of the events
}

// EventSource is the source of AWS's own events.
const EventSource = "aws.states"

// setting reads a word, or {file: PATH}. The path is relative to the
// configuration's folder.
func (l *Logs) setting(folder string) setting {
	return func(d *decoder, n *yaml.Node, path string) {
		if n = follow(n); n.Kind == yaml.ScalarNode {
			switch n.Value {
			case LogsCloudWatch, LogsStdout, LogsOff:
				l.To = n.Value
			default:
				d.problem(n, path, "must be cloudwatch, stdout, off, or {file: PATH}")
			}
			return
		}
		before := len(d.problems)
		d.object(n, path, map[string]setting{"file": text(&l.File)})
		if l.File == "" && len(d.problems) == before {
			d.problem(n, path, "needs a file")
		}
		if l.To = LogsFile; !filepath.IsAbs(l.File) {
			l.File = filepath.Join(folder, l.File)
		}
	}
}

func (e *Events) setting() setting {
	return func(d *decoder, n *yaml.Node, path string) {
		before := len(d.problems)
		d.object(n, path, map[string]setting{"webhook": address(&e.Webhook), "bus": text(&e.Bus), "source": text(&e.Source)})
		if (e.Webhook == "") == (e.Bus == "") && len(d.problems) == before {
			d.problem(n, path, "needs a webhook, or a bus of EventBridge")
		}
		if e.Source == "" {
			e.Source = EventSource
		}
	}
}

// checkReports holds where logs and events go.
func (c *Config) checkReports(say complain) {
	checkURL(say, "events.webhook", c.Events.Webhook)
	if c.Events.Source != "" && !isName(c.Events.Source, 256, "-_./") {
		say("events.source: %q is no source, such as aws.states or com.example.sagas", c.Events.Source)
	}
	checkURL(say, "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS or AWS_ENDPOINT_URL", c.Endpoints.Logs)
	checkURL(say, "AWS_ENDPOINT_URL_EVENTBRIDGE or AWS_ENDPOINT_URL", c.Endpoints.EventBridge)
}
