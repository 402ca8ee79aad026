package config

import (
	"path"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// StatusRule lets a client of the company's own ask where executions of some
// state machines stand.
type StatusRule struct {
	Machines   []string // names, with * for any characters
	Tokens     []Secret // each lets in as a bearer's
	APIKey     APIKey   // so does this header
	Output     []string // members of the output that are shown, "order.id" one within another
	RetryAfter time.Duration
	Rate       Rate
}

// minToken is how many characters a secret has at least that somebody might
// guess at from outside.
const minToken = 16

func statusRule(d *decoder, n *yaml.Node, at string) StatusRule {
	var r StatusRule
	before := len(d.problems)
	d.object(n, at, map[string]setting{
		"machines": list(&r.Machines),
		"tokens":   secretList(&r.Tokens),
		"api_key": func(d *decoder, n *yaml.Node, path string) {
			d.object(n, path, map[string]setting{"header": text(&r.APIKey.Header), "value": secret(&r.APIKey.Value)})
		},
		"output":      list(&r.Output),
		"retry_after": duration(&r.RetryAfter, time.Second, time.Hour),
		"rate":        func(d *decoder, n *yaml.Node, path string) { r.Rate = rate(d, n, path) },
	})
	switch {
	case len(d.problems) > before:
	case len(r.Machines) == 0:
		d.problem(n, at, "needs machines")
	case len(r.Tokens) == 0 && r.APIKey == (APIKey{}):
		d.problem(n, at, "needs tokens or an api_key: it lets nobody in")
	case r.APIKey != (APIKey{}) && (r.APIKey.Header == "" || r.APIKey.Value == ""):
		d.problem(n, at+".api_key", "needs a header and a value")
	}
	return r
}

// secretList reads a sequence of texts that are never printed.
func secretList(to *[]Secret) setting {
	return func(d *decoder, n *yaml.Node, path string) {
		var texts []string
		list(&texts)(d, n, path)
		for _, text := range texts {
			*to = append(*to, Secret(text))
		}
	}
}

// checkStatus holds the rules of the status against what they can mean.
func (c *Config) checkStatus(say complain) {
	for _, name := range sorted(c.Status) {
		r, at := c.Status[name], "status."+name
		if !isName(name, 64, "-_") {
			say("%s is no name of a rule: letters, digits, - and _", at)
		}
		for i, pattern := range r.Machines {
			if _, err := path.Match(pattern, ""); err != nil || pattern == "" || strings.ContainsAny(pattern, " /:?[]\\") {
				say("%s.machines[%d] %q is no name of a state machine, in which a * stands for any characters", at, i, pattern)
			}
		}
		for i, token := range r.Tokens {
			checkToken(say, at+".tokens["+strconv.Itoa(i)+"]", token)
		}
		if r.APIKey != (APIKey{}) {
			checkToken(say, at+".api_key.value", r.APIKey.Value)
			if !isName(r.APIKey.Header, 64, "-_") || strings.EqualFold(r.APIKey.Header, "Authorization") {
				say("%s.api_key.header: %q is no name of a header of its own: letters, digits, - and _, and not Authorization", at, r.APIKey.Header)
			}
		}
		for i, member := range r.Output {
			if member == "" || strings.HasPrefix(member, ".") || strings.HasSuffix(member, ".") || strings.Contains(member, "..") {
				say("%s.output[%d] %q is no member of the output, such as tracking or order.id", at, i, member)
			}
		}
	}
}

// checkToken holds that a secret can travel in a header, and is not guessed.
func checkToken(say complain, what string, token Secret) {
	switch {
	case len(token) < minToken:
		say("%s is shorter than %d characters, which can be guessed", what, minToken)
	case strings.ContainsFunc(string(token), func(r rune) bool { return r <= ' ' || r > '~' }):
		say("%s must be of visible characters of ASCII", what)
	}
}
