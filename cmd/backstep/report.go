package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/backstep/backstep/internal/config"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/integration/aws"
	"github.com/backstep/backstep/internal/journal"
	"github.com/backstep/backstep/internal/service"
)

// How long entries wait for others to go with them.
const (
	logLinger    = 250 * time.Millisecond
	changeLinger = 50 * time.Millisecond
)

// reports are the queues of what the outside is told; nil where nobody is.
type reports struct {
	logs    *journal.Queue[journal.LogEvent]
	changes *journal.Queue[journal.StatusChange]
	groups  func(ctx context.Context, name string) (bool, error) // whether a log group is there; nil where logs go elsewhere
	quiet   bool                                                 // log events are not wanted: nobody need be warned
	client  *integration.Client
	file    *journal.File
}

// openReports opens the destinations of logs and events.
func openReports(ctx context.Context, c *config.Config, log *slog.Logger) (*reports, error) {
	r := &reports{client: integration.NewClient(integration.ClientConfig{})}
	err := r.openLogs(ctx, c, log)
	if err == nil {
		err = r.openEvents(ctx, c, log)
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *reports) openLogs(ctx context.Context, c *config.Config, log *slog.Logger) error {
	var to journal.Writer[journal.LogEvent]
	switch c.Logs.To {
	case config.LogsOff:
		r.quiet = true
		return nil
	case config.LogsStdout:
		to = journal.NewLines(os.Stdout)
	case config.LogsFile:
		file, err := journal.OpenFile(c.Logs.File)
		if err != nil {
			return err
		}
		r.file, to = file, file
	default:
		if c.Logs.To == "" && c.Endpoints.Logs == "" {
			return nil
		}
		endpoint, err := r.endpoint(ctx, c.Endpoints.Logs, "logs", c.Region)
		if err != nil {
			return err
		}
		var id [8]byte
		rand.Read(id[:])
		cloudWatch := journal.NewCloudWatch(endpoint, hex.EncodeToString(id[:]))
		to, r.groups = cloudWatch, cloudWatch.Group
	}
	r.logs = journal.NewQueue(to, journal.Config{What: "log events", Linger: logLinger, Log: log})
	return nil
}

func (r *reports) openEvents(ctx context.Context, c *config.Config, log *slog.Logger) error {
	var to journal.Writer[journal.StatusChange]
	switch {
	case c.Events.Webhook != "":
		to = journal.NewWebhook(string(c.Events.Webhook), c.Events.Source, r.client, newUUID)
	case c.Events.Bus != "":
		endpoint, err := r.endpoint(ctx, c.Endpoints.EventBridge, "events", c.Region)
		if err != nil {
			return err
		}
		to = journal.NewEventBridge(endpoint, c.Events.Bus, c.Events.Source)
	default:
		return nil
	}
	r.changes = journal.NewQueue(to, journal.Config{What: "status changes", Linger: changeLinger, Log: log})
	return nil
}

// endpoint is a service of AWS: the one that was named, or the region's own.
func (r *reports) endpoint(ctx context.Context, named config.URL, service, region string) (*journal.Endpoint, error) {
	signer, err := aws.NewSigner(ctx, region)
	if err != nil {
		return nil, err
	}
	url := string(named)
	if url == "" {
		url = "https://" + service + "." + region + ".amazonaws.com"
		if strings.HasPrefix(region, "cn-") {
			url += ".cn"
		}
	}
	return &journal.Endpoint{URL: url, Signer: signer, Client: r.client}, nil
}

// reporter words what the queues take.
func (r *reports) reporter(catalog *service.Catalog, log *slog.Logger) *service.Reporter {
	c := service.ReporterConfig{Catalog: catalog, Logger: log}
	switch {
	case r.logs != nil:
		c.Log = r.logs.Put
	case r.quiet:
		c.Log = func(journal.LogEvent) {}
	}
	if r.changes != nil {
		c.Change = r.changes.Put
	}
	return service.NewReporter(c)
}

// run writes what is told until the queues are closed and empty, or ctx ends.
func (r *reports) run(ctx context.Context) {
	var both sync.WaitGroup
	if r.logs != nil {
		both.Go(func() { r.logs.Run(ctx) })
	}
	if r.changes != nil {
		both.Go(func() { r.changes.Run(ctx) })
	}
	both.Wait()
}

// end lets nothing in any more.
func (r *reports) end() {
	if r.logs != nil {
		r.logs.Close()
	}
	if r.changes != nil {
		r.changes.Close()
	}
}

func (r *reports) close() {
	r.client.Close()
	if r.file != nil {
		r.file.Close()
	}
}
