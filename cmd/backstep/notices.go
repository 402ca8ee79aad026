package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/backstep/backstep/internal/config"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/integration/sns"
	"github.com/backstep/backstep/internal/notify"
	"github.com/backstep/backstep/internal/service"
	"github.com/backstep/backstep/internal/value"
)

// The ways by which people can be told of holds.
const (
	byWebhook = "webhook"
	byTopic   = "topic"
	byMail    = "mail"
)

// notices tell people of holds.
type notices struct {
	client    *integration.Client
	channels  map[string]notify.Channel // by way, those that the configuration names
	notifiers map[string]*service.Notifier
}

// openNotices opens the ways that the configuration names.
func openNotices(c *config.Notifications, topics *sns.Handler) *notices {
	n := &notices{client: integration.NewClient(integration.ClientConfig{}), channels: map[string]notify.Channel{}}
	if c.Webhook.URL != "" {
		n.channels[byWebhook] = &notify.Webhook{URL: string(c.Webhook.URL), Secret: string(c.Webhook.Secret), Client: n.client, Now: time.Now}
	}
	if c.Topic != "" {
		n.channels[byTopic] = &notify.Topic{Topic: c.Topic, Publish: publisher(topics)}
	}
	if m := c.Mail; m.Server != "" {
		n.channels[byMail] = &notify.Mail{
			Server: m.Server, Security: notify.Security(m.Security), Username: m.Username, Password: string(m.Password), From: m.From, To: m.To,
		}
	}
	return n
}

// publisher publishes as a task does, to the topics that tasks publish to.
func publisher(topics *sns.Handler) func(ctx context.Context, topic, id, subject, text string) error {
	return func(ctx context.Context, topic, id, subject, text string) error {
		parameters := value.NewBuilder(3)
		parameters.Set("TopicArn", value.NewString(topic))
		parameters.Set("Subject", value.NewString(subject))
		parameters.Set("Message", value.NewString(text))
		_, err := topics.Call(ctx, integration.Task{Service: "sns", Action: "publish", StepID: id, Request: parameters.Object().Text()})
		return err
	}
}

// names are the ways that there are.
func (n *notices) names() (names []string) {
	for _, way := range [...]string{byWebhook, byTopic, byMail} {
		if n.channels[way] != nil {
			names = append(names, way)
		}
	}
	return names
}

// notify makes a notifier for each way, for one that the configuration does not
// name any more, too: what was to be told by it goes.
func (n *notices) notify(s *service.Service, c *config.Notifications, log *slog.Logger) {
	n.notifiers = map[string]*service.Notifier{}
	for _, way := range [...]string{byWebhook, byTopic, byMail} {
		n.notifiers[way] = service.NewNotifier(service.NotifierConfig{
			Service: s, Name: way, Channel: n.channels[way], Every: c.Every, Link: string(c.Link), Log: log,
		})
	}
}

// run tells people until ctx ends.
func (n *notices) run(ctx context.Context) {
	var all sync.WaitGroup
	for _, one := range n.notifiers {
		all.Go(func() { one.Run(ctx) })
	}
	all.Wait()
}

func (n *notices) close() { n.client.Close() }
