package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Check tells what does not hold of a configuration, by an *[Error]. It is
// asked again when flags have been laid over what [Load] gave.
func (c *Config) Check() error {
	var problems []string
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	c.checkListen(say)
	c.checkPlace(say)
	for _, name := range sorted(c.Functions) {
		if !isName(name, 140, "-_") {
			say("functions.%s is no name of a function: letters, digits, - and _", name)
		}
		checkURL(say, "functions."+name+".url", c.Functions[name].URL)
	}
	for _, name := range sorted(c.Topics) {
		if !isName(name[strings.LastIndexByte(name, ':')+1:], 256, "-_.") {
			say("topics.%s is no name and no ARN of a topic", name)
		}
		checkURL(say, "topics."+name+".webhook", c.Topics[name].Webhook)
	}
	for _, name := range sorted(c.Buckets) {
		if !isName(name, 63, "-.") {
			say("buckets.%s is no name of a bucket: letters, digits, - and .", name)
		}
	}
	for _, id := range sorted(c.Keys) {
		if !isName(id, 128, "-_") || c.Keys[id] == "" {
			say("keys.%s must be an access key id of letters and digits, and its secret not empty", id)
		}
	}
	c.checkReports(say)
	c.checkStatus(say)
	c.checkNotifications(say)
	checkURL(say, "AWS_ENDPOINT_URL_LAMBDA or AWS_ENDPOINT_URL", c.Endpoints.Lambda)
	checkURL(say, "AWS_ENDPOINT_URL_SNS or AWS_ENDPOINT_URL", c.Endpoints.SNS)
	checkURL(say, "AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL", c.Endpoints.S3)
	if problems != nil {
		return &Error{problems}
	}
	return nil
}

type complain func(format string, args ...any)

// checkListen holds that nobody but this machine is served without a key.
func (c *Config) checkListen(say complain) {
	host, port, err := net.SplitHostPort(c.Listen)
	if n, wrong := strconv.ParseUint(port, 10, 16); err != nil || wrong != nil || n > 65535 {
		say("listen: %q is no host:port", c.Listen)
		return
	}
	if len(c.Keys) == 0 && !isLoopback(host) {
		say("listen: %s can be reached from other machines, which needs keys: (access key id: secret); without them listen at 127.0.0.1:%s", c.Listen, port)
	}
	for _, name := range c.Hosts {
		if !isName(strings.TrimPrefix(name, "*."), 253, "-.:[]") {
			say("hosts: %q is no host's name", name)
		}
	}
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// checkPlace holds where and in whose name things are kept.
func (c *Config) checkPlace(say complain) {
	if (c.Data == "") == (c.Postgres == "") {
		say("data and postgres: one of the two is needed, not both")
	}
	if !isName(c.Region, 64, "-") {
		say("region: %q is no region, such as us-east-1", c.Region)
	}
	if len(c.Account) != 12 || strings.Trim(c.Account, "0123456789") != "" {
		say("account: %q is no account, which has 12 digits", c.Account)
	}
}

func checkURL(say complain, what string, u URL) {
	if u == "" {
		return
	}
	parsed, err := url.Parse(string(u))
	if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Hostname() == "" || parsed.Fragment != "" {
		say("%s must be an address that begins with http:// or https://", what)
	}
}

// isName reports whether a name is of letters, digits and some further
// characters, and neither empty nor too long.
func isName(name string, most int, further string) bool {
	for i := range len(name) {
		b := name[i]
		if (b|0x20 < 'a' || b|0x20 > 'z') && (b < '0' || b > '9') && strings.IndexByte(further, b) < 0 {
			return false
		}
	}
	return name != "" && len(name) <= most
}

func sorted[T any](m map[string]T) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
