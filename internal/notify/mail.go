package notify

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/wneessen/go-mail"
)

// Mail sends notices by SMTP.
type Mail struct {
	Server   string // host:port
	Security Security
	Username string // "": the server asks for none
	Password string
	From     string
	To       []string
	TLS      *tls.Config // nil: the system's certificates
}

// Security is how the way to a mail server is kept.
type Security string

// The ways: StartTLS begins in the clear and refuses to go on without TLS,
// Implicit is TLS from the first byte, and Plain none.
const (
	StartTLS Security = "starttls"
	Implicit Security = "tls"
	Plain    Security = "none"
)

// mailTime bounds one exchange with a server.
const mailTime = 30 * time.Second

// Tell sends a notice to all addresses in one mail. The server has it once it has
// said so.
func (m *Mail) Tell(ctx context.Context, n *Notice) error {
	message, err := m.message(n)
	if err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	client, err := m.client()
	if err != nil {
		return fmt.Errorf("mail server %s: %w", m.Server, err)
	}
	// The library looks at the context only while it connects. Whom it ends need
	// not wait for the rest, which mailTime ends.
	sent := make(chan error, 1)
	go func() { sent <- client.DialAndSendWithContext(ctx, message) }()
	select {
	case err = <-sent:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("mail server %s: %w", m.Server, err)
	}
	return nil
}

func (m *Mail) message(n *Notice) (*mail.Msg, error) {
	message := mail.NewMsg()
	if err := message.From(m.From); err != nil {
		return nil, err
	}
	if err := message.To(m.To...); err != nil {
		return nil, err
	}
	message.Subject(n.subject())
	message.SetDateWithValue(n.At)
	message.SetMessageIDWithValue(n.ID + "@backstep")
	message.SetGenHeader("Auto-Submitted", "auto-generated") // nobody's holiday answers it
	message.SetBodyString(mail.TypeTextPlain, n.text())
	return message, nil
}

func (m *Mail) client() (*mail.Client, error) {
	host, port, err := net.SplitHostPort(m.Server)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("port %q: %w", port, err)
	}
	options := []mail.Option{mail.WithPort(number), mail.WithTimeout(mailTime)}
	switch m.Security {
	case Implicit:
		options = append(options, mail.WithSSL())
	case Plain:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if m.TLS != nil {
		options = append(options, mail.WithTLSConfig(m.TLS))
	}
	if m.Username != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(m.Username), mail.WithPassword(m.Password))
	}
	return mail.NewClient(host, options...)
}
