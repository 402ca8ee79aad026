package config

import "testing"

func TestRefusedNotifications(t *testing.T) {
	refused(t, []struct{ text, want string }{
		{"notifications: {every: 1m}\n", "backstep.yaml:1: notifications needs a webhook, a topic or mail"},
		{"notifications: {webhook: {secret: canary}}\n", "backstep.yaml:1: notifications.webhook needs a url"},
		{"notifications: {webhook: {url: canary}}\n", "backstep.yaml: notifications.webhook.url must be an address"},
		{"notifications: {topic: T, link: 'ftp://a'}\n", "backstep.yaml: notifications.link must be an address"},
		{"notifications: {topic: T, every: 1ms}\n", "backstep.yaml:1: notifications.every must be from 1s to 24h0m0s"},
		{"notifications: {mail: {server: 'a:25', from: a@b}}\n", "backstep.yaml:1: notifications.mail needs a server, from and to"},
		{"notifications: {mail: {server: 'a:25', from: a@b, to: [c@d], username: me}}\n", "backstep.yaml:1: notifications.mail needs both a username and a password, or neither"},
		{"notifications: {mail: {server: a, from: a@b, to: [c@d]}}\n", `backstep.yaml: notifications.mail.server: "a" is no host:port`},
		{"notifications: {mail: {server: 'a:25', from: a, to: [c@d]}}\n", `backstep.yaml: notifications.mail.from: "a" is no address`},
		{"notifications: {mail: {server: 'a:25', from: a@b, to: [c@d, e]}}\n", `backstep.yaml: notifications.mail.to: "e" is no address`},
		{"notifications: {mail: {server: 'a:25', security: ssl, from: a@b, to: [c@d]}}\n", "backstep.yaml:1: notifications.mail.security must be starttls or tls or none"},
		{"notifications: {mail: {server: 'a:25', security: none, username: me, password: canary, from: a@b, to: [c@d]}}\n", "backstep.yaml: notifications.mail.security: with none, a would be sent the password in the clear"},
		{"notifications: {slack: x}\n", "backstep.yaml:1: unknown key notifications.slack"},
	})
}
