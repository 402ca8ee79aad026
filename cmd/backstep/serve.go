package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/backstep/backstep/internal/archive"
	"github.com/backstep/backstep/internal/cli"
	"github.com/backstep/backstep/internal/config"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/integration/aws"
	httptask "github.com/backstep/backstep/internal/integration/http"
	"github.com/backstep/backstep/internal/integration/items"
	"github.com/backstep/backstep/internal/integration/lambda"
	"github.com/backstep/backstep/internal/integration/mock"
	"github.com/backstep/backstep/internal/integration/s3"
	"github.com/backstep/backstep/internal/integration/sns"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/server"
	"github.com/backstep/backstep/internal/service"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/embedded"
	"github.com/backstep/backstep/internal/store/postgres"
)

// settings is the configuration with the flags over it.
func settings(flags cli.Serve) (*config.Config, error) {
	c, err := config.Load(flags.Config, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	c.Listen = cmp.Or(flags.Listen, c.Listen)
	c.Region = cmp.Or(flags.Region, c.Region)
	c.Account = cmp.Or(flags.Account, c.Account)
	c.Limits.Quotas = cmp.Or(flags.Limits, c.Limits.Quotas)
	c.Mocks = cmp.Or(flags.Mocks, c.Mocks)
	c.StrictAWS = c.StrictAWS || flags.Strict
	switch {
	case flags.Postgres != "":
		c.Postgres, c.Data = config.Secret(flags.Postgres), ""
	case flags.Data != "":
		c.Data, c.Postgres = flags.Data, ""
	}
	return c, c.Check()
}

// serve runs a server until ctx ends, and drains it.
func serve(ctx context.Context, flags cli.Serve) error {
	c, err := settings(flags)
	if err != nil {
		return &cli.UsageError{Err: err}
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(flags.LogLevel)); err != nil {
		return &cli.UsageError{Err: err}
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	slog.SetDefault(log)
	defer runtime.KeepAlive(make([]byte, ballast(os.DirFS("/"))))
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return &cli.UsageError{Err: fmt.Errorf("%w: name another address by --listen", err)}
	}
	c.Listen = listener.Addr().String()
	opening := server.OpenAt(listener, connectionsOf(c))
	h, err := open(ctx, c, log)
	if err != nil {
		opening.Done(nil)
		listener.Close()
		return err
	}
	opening.Done(h.server)
	log.Info("backstep serves", "version", version(), "address", listener.Addr().String(), "store", h.place, "region", c.Region, "account", c.Account)
	return h.run(ctx, listener)
}

// house is a server's parts, in the order in which they stand on one another.
type house struct {
	config  *config.Config
	log     *slog.Logger
	place   string // where its data is, for people
	store   store.Store
	lambda  *lambda.Handler
	sns     *sns.Handler
	http    *httptask.Handler
	reports *reports
	notices *notices
	aws     *aws.Handlers
	s3      *s3.Client
	items   *items.Reader
	engine  *engine.Engine
	service *service.Service
	server  *server.Server
}

// open builds the parts from the ground up. What was opened before something
// failed is closed again.
func open(ctx context.Context, c *config.Config, log *slog.Logger) (_ *house, err error) {
	h := &house{config: c, log: log}
	if h.store, h.place, err = openStore(ctx, c, log); err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close(ctx))
		}
	}()
	registry, err := h.integrations(ctx)
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	if h.reports, err = openReports(ctx, c, log); err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	h.notices = openNotices(&c.Notifications, h.sns)
	h.items = items.NewReader(h.buckets())
	catalog := service.NewCatalog(h.store, registry)
	catalog.StrictAWS, catalog.Mocked = c.StrictAWS, c.Mocks != ""
	mocks, err := openMocks(c, registry)
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	quotas := quotasOf(c)
	tasks, err := taskLimits(c, registry)
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	h.engine, err = engine.Open(context.WithoutCancel(ctx), engine.Config{
		Store: h.store, Registry: registry, Machines: catalog.Machine, Gone: catalog.Gone, Tell: h.reports.reporter(catalog, log).Tell, Notices: h.notices.names(),
		Version: version(), Address: c.Listen,
		Log: log, Exclusive: c.Postgres == "", Limits: limitsOf(c), Tasks: tasks, Quotas: quotas, StrictAWS: c.StrictAWS,
		Items: h.items, Objects: h.buckets(),
	})
	if err != nil {
		return nil, err
	}
	h.service = service.New(service.Config{
		Store: h.store, Engine: h.engine, Catalog: catalog, Models: h.aws, Reader: readerOf, Mocks: mocks,
		Account: c.Account, Region: c.Region, Now: time.Now, NewUUID: newUUID, Log: log,
		LogGroup: h.reports.groups, MaxInput: quotas.Payload, Retention: c.Limits.Retention, Proof: proofOf(&c.Verify),
	})
	h.notices.notify(h.service, &c.Notifications, log)
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		engineMetrics(h.engine), lateMetrics(h.engine), storeMetrics(h.store), reportMetrics(h.reports), noticeMetrics(h.notices), heldMetrics(h.service))
	h.server, err = server.New(server.Config{
		Service: h.service, Keys: secrets(c.Keys), Region: c.Region, Hosts: c.Hosts, Ready: h.engine.Readiness, Metrics: metrics, Log: log,
		MaxBodies: c.Limits.Bodies, MaxConnections: connectionsOf(c), MaxCalls: c.Limits.Requests, MaxPolls: c.Limits.Polls, MaxPayload: quotas.Payload, Rates: ratesOf(c),
		Account: c.Account, Status: statusOf(c),
		Backup: func(ctx context.Context, to io.Writer) error { return archive.Write(ctx, h.store, version(), to) },
	})
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	return h, nil
}

// proofOf is what becomes of sagas that are not proven.
func proofOf(v *config.Verify) service.Proof {
	p := service.Proof{Level: service.ProofWarn, Ignore: v.Ignore}
	switch v.OnCreate {
	case config.VerifyOff:
		p.Level = service.ProofOff
	case config.VerifyRefuse:
		p.Level = service.ProofRefuse
	}
	return p
}

// openMocks puts what is mocked in front of the integrations; nil where nothing
// may be.
func openMocks(c *config.Config, registry *integration.Registry) (service.Mocks, error) {
	if c.Mocks == "" {
		registry.Front((*mock.Config)(nil)) // for executions whose test case is gone
		return nil, nil
	}
	mocks, err := mock.Read(c.Mocks)
	if err != nil {
		return nil, err
	}
	registry.Front(mocks)
	return mocks, nil
}

// quotasOf are the quotas that executions keep.
func quotasOf(c *config.Config) machine.Limits {
	if c.Limits.Quotas == config.QuotasLifted {
		return machine.AWSLimits().Lifted()
	}
	return machine.AWSLimits()
}

func ratesOf(c *config.Config) map[string]server.Rate {
	rates := make(map[string]server.Rate, len(c.Limits.Throttle))
	for name, r := range c.Limits.Throttle {
		rates[name] = server.Rate{PerSecond: float64(r.PerSecond), Burst: r.Burst}
	}
	return rates
}

// statusOf are the rules of the status, in the order of their names.
func statusOf(c *config.Config) []server.StatusRule {
	var rules []server.StatusRule
	for _, name := range slices.Sorted(maps.Keys(c.Status)) {
		r := c.Status[name]
		rule := server.StatusRule{
			Machines: r.Machines, Header: r.APIKey.Header, Secret: string(r.APIKey.Value), Output: r.Output, RetryAfter: r.RetryAfter,
			Rate: server.Rate{PerSecond: float64(r.Rate.PerSecond), Burst: r.Rate.Burst},
		}
		for _, token := range r.Tokens {
			rule.Tokens = append(rule.Tokens, string(token))
		}
		rules = append(rules, rule)
	}
	return rules
}

func openStore(ctx context.Context, c *config.Config, log *slog.Logger) (store.Store, string, error) {
	if c.Postgres != "" {
		s, err := postgres.Open(ctx, string(c.Postgres), postgres.Options{Logger: log})
		if err != nil {
			return nil, "", fmt.Errorf("%w (--postgres postgres://USER@HOST/DATABASE names the database)", err)
		}
		return s, "PostgreSQL", nil
	}
	s, err := embedded.Open(c.Data, embedded.Options{Logger: log, OnFatal: func(cause error) {
		// What was on its way to the disk is unknown, and nothing may be said of it
		// any more: the next start reads what is there.
		log.Error("backstep ends at once: its disk failed; see to the disk, then start it again", "folder", c.Data, "cause", cause)
		os.Exit(cli.ExitUsage)
	}})
	return s, c.Data, err
}

// integrations opens the kinds of tasks, and says who does what.
func (h *house) integrations(ctx context.Context) (*integration.Registry, error) {
	c := h.config
	var signer *aws.Signer
	if c.Endpoints != (config.Endpoints{}) {
		var err error
		if signer, err = aws.NewSigner(ctx, c.Region); err != nil {
			return nil, err
		}
	}
	functions := map[string]lambda.Function{}
	for name, f := range c.Functions {
		functions[name] = lambda.Function{
			URL: string(f.URL), Command: f.Command, Dir: f.Dir, Env: secrets(f.Env), Concurrency: f.Concurrency, Timeout: f.Timeout,
		}
	}
	h.lambda = lambda.New(lambda.Config{
		Functions: functions, Endpoint: string(c.Endpoints.Lambda), Signer: signer, StrictAWS: c.StrictAWS, Region: c.Region, Account: c.Account, Logger: h.log,
	})
	topics := map[string]sns.Topic{}
	for name, t := range c.Topics {
		topics[name] = sns.Topic{Webhook: string(t.Webhook)}
	}
	h.sns = sns.New(sns.Config{Topics: topics, Endpoint: string(c.Endpoints.SNS), Signer: signer, StrictAWS: c.StrictAWS, Logger: h.log})
	connections := map[string]httptask.Connection{}
	for name, n := range c.Connections {
		connections[name] = connection(n)
	}
	var err error
	if h.http, err = httptask.New(httptask.Config{Allow: c.HTTP.Allow, Connections: connections, StrictAWS: c.StrictAWS, Region: c.Region}); err != nil {
		return nil, err
	}
	h.aws = aws.New(aws.Config{Region: c.Region, Lookup: os.LookupEnv, Self: self(c), StrictAWS: c.StrictAWS})
	h.s3 = s3.New(s3.Config{Endpoint: cmp.Or(string(c.Endpoints.S3), aws.Endpoint("s3", c.Region)), Signer: h.aws})
	r := new(integration.Registry)
	r.Add("lambda", "invoke", h.lambda, integration.RequestResponse, integration.WaitForTaskToken)
	r.Add("sns", "publish", h.sns, integration.RequestResponse, integration.WaitForTaskToken)
	r.Add("http", "invoke", h.http, integration.RequestResponse)
	h.aws.Register(r)
	return r, nil
}

// self is this server as tasks that call Step Functions reach it: on its own
// machine, with one of its keys.
func self(c *config.Config) aws.Self {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return aws.Self{}
	}
	if address := net.ParseIP(host); address.IsUnspecified() {
		host = "127.0.0.1"
	}
	at := aws.Self{URL: "http://" + net.JoinHostPort(host, port)}
	for _, id := range slices.Sorted(maps.Keys(c.Keys)) {
		at.KeyID, at.Secret = id, string(c.Keys[id])
		break
	}
	return at
}

// buckets are where distributed Maps read and write objects.
func (h *house) buckets() items.Buckets {
	b := items.Buckets{Folders: items.Folders{}, Elsewhere: h.s3}
	for name, bucket := range h.config.Buckets {
		b.Folders[name] = bucket.Folder
	}
	return b
}

// run serves until ctx ends, the listener fails or the store has stopped, then
// takes the house down from the roof: calls that wait are answered, task calls
// get time to end, leases are given back, what is to be told is told, programs
// are stopped, the store is closed.
func (h *house) run(ctx context.Context, listener net.Listener) error {
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	turning, still := context.WithCancel(context.WithoutCancel(ctx))
	engineEnded := make(chan struct{})
	go func() {
		defer close(engineEnded)
		stop(h.engine.Run(turning))
	}()
	go h.service.Run(running)
	go h.service.Audit(running)
	told := make(chan struct{})
	go func() { defer close(told); h.notices.run(running) }()
	writing, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	written := make(chan struct{})
	go func() { defer close(written); h.reports.run(writing) }()
	served := make(chan struct{})
	go func() {
		defer close(served)
		stop(h.server.Serve(listener))
	}()
	<-running.Done()
	why := context.Cause(running)
	if errors.Is(why, context.Canceled) {
		why = nil
	}
	h.log.Info("backstep drains")
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.config.Limits.Drain)
	defer cancel()
	if h.config.Postgres != "" {
		h.server.Leave(grace, leaveNotice)
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		if err := h.engine.Drain(grace); err != nil {
			h.log.Warn("some shards are nobody's until their leases run out", "error", err)
		}
	}()
	err := errors.Join(why, h.server.Drain(grace))
	<-drained
	<-served
	<-told
	still()
	<-engineEnded
	h.reports.end()
	context.AfterFunc(grace, cut)
	<-written
	return errors.Join(err, h.close(grace))
}

// leaveNotice is how long a node of several goes on taking calls after it was told to
// stop, so that whoever shares calls out among them has seen that by then.
const leaveNotice = time.Second

// close closes what is open, from the roof down.
func (h *house) close(ctx context.Context) error {
	if h.reports != nil {
		h.reports.close()
	}
	if h.notices != nil {
		h.notices.close()
	}
	h.closeTasks(ctx)
	return h.store.Close()
}

// closeTasks closes the kinds of tasks.
func (h *house) closeTasks(ctx context.Context) {
	if h.aws != nil {
		h.aws.Close()
	}
	if h.http != nil {
		h.http.Close()
	}
	if h.sns != nil {
		h.sns.Close()
	}
	if h.lambda != nil {
		h.lambda.Close(ctx)
	}
	if h.items != nil {
		h.items.Close()
	}
	if h.s3 != nil {
		h.s3.Close()
	}
}

func connection(n config.Connection) httptask.Connection {
	return httptask.Connection{
		Hosts: n.Hosts, Header: n.APIKey.Header, Key: string(n.APIKey.Value), Username: n.Basic.Username, Password: string(n.Basic.Password),
	}
}

// secrets are the texts of secrets, for who needs them.
func secrets(of map[string]config.Secret) map[string]string {
	texts := make(map[string]string, len(of))
	for name, s := range of {
		texts[name] = string(s)
	}
	return texts
}

// override sets what the configuration sets.
func override[T ~int | ~int64](to *T, by T) {
	if by != 0 {
		*to = by
	}
}

func newUUID() string {
	var chance [16]byte
	rand.Read(chance[:])
	return integration.UUID(chance, 4)
}
