package config

import (
	"net"
	"net/mail"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"
)

// Notifications is who is told that sagas wait for a person: any of the three
// ways, or, where it is zero, nobody.
type Notifications struct {
	Every   time.Duration // at most one message in that time about one state machine and one error
	Link    URL           // of a page where people can go on, or ""
	Webhook Hook
	Topic   string // ARN or name
	Mail    Mail
}

// Hook is an address that is posted to; with a secret, what is posted is signed.
type Hook struct {
	URL    URL
	Secret Secret
}

// Mail is how mail is sent, and to whom.
type Mail struct {
	Server   string // host:port
	Security string // MailStartTLS, MailTLS or MailPlain
	Username string // "": the server asks for none
	Password Secret
	From     string
	To       []string
}

// The ways to a mail server: TLS after a beginning in the clear, TLS from the
// first byte, and none at all.
const (
	MailStartTLS = "starttls"
	MailTLS      = "tls"
	MailPlain    = "none"
)

func (n *Notifications) setting() setting {
	return func(d *decoder, node *yaml.Node, path string) {
		before := len(d.problems)
		d.object(node, path, map[string]setting{
			"every":   duration(&n.Every, time.Second, 24*time.Hour),
			"link":    address(&n.Link),
			"webhook": n.Webhook.setting(),
			"topic":   text(&n.Topic),
			"mail":    n.Mail.setting(),
		})
		if n.Webhook.URL == "" && n.Topic == "" && n.Mail.Server == "" && len(d.problems) == before {
			d.problem(node, path, "needs a webhook, a topic or mail: nobody would be told")
		}
	}
}

func (h *Hook) setting() setting {
	return func(d *decoder, n *yaml.Node, path string) {
		before := len(d.problems)
		d.object(n, path, map[string]setting{"url": address(&h.URL), "secret": secret(&h.Secret)})
		if h.URL == "" && len(d.problems) == before {
			d.problem(n, path, "needs a url")
		}
	}
}

func (m *Mail) setting() setting {
	return func(d *decoder, n *yaml.Node, path string) {
		before := len(d.problems)
		m.Security = MailStartTLS
		d.object(n, path, map[string]setting{
			"server": text(&m.Server), "security": oneOf(&m.Security, MailStartTLS, MailTLS, MailPlain),
			"username": text(&m.Username), "password": secret(&m.Password), "from": text(&m.From), "to": list(&m.To),
		})
		switch {
		case len(d.problems) > before:
		case m.Server == "" || m.From == "" || len(m.To) == 0:
			d.problem(n, path, "needs a server, from and to")
		case (m.Username == "") != (m.Password == ""):
			d.problem(n, path, "needs both a username and a password, or neither")
		}
	}
}

func (c *Config) checkNotifications(say complain) {
	n := &c.Notifications
	checkURL(say, "notifications.link", n.Link)
	checkURL(say, "notifications.webhook.url", n.Webhook.URL)
	m := &n.Mail
	if m.Server == "" {
		return
	}
	host, port, err := net.SplitHostPort(m.Server)
	if number, wrong := strconv.ParseUint(port, 10, 16); err != nil || wrong != nil || number == 0 || host == "" {
		say("notifications.mail.server: %q is no host:port", m.Server)
	}
	if m.Security == MailPlain && m.Password != "" && !isLoopback(host) {
		say("notifications.mail.security: with none, %s would be sent the password in the clear", host)
	}
	if _, err := mail.ParseAddress(m.From); err != nil {
		say("notifications.mail.from: %q is no address", m.From)
	}
	for _, to := range m.To {
		if _, err := mail.ParseAddress(to); err != nil {
			say("notifications.mail.to: %q is no address", to)
		}
	}
}
