package config

import "testing"

func TestRefusedVerify(t *testing.T) {
	refused(t, []struct{ text, want string }{
		{"verify: {on_create: loud}\n", "backstep.yaml:1: verify.on_create must be off or warn or refuse"},
		{"verify: {ignore: [SAGA1]}\n", "backstep.yaml:1: verify.ignore has a rule that is none"},
		{"verify: refuse\n", "backstep.yaml:1: verify must be"},
	})
}
