package server

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/backstep/backstep/api"
)

// StatusRule lets somebody who is no client of the API ask GET /status/MACHINE/NAME where an execution stands. Who shows one of its secrets is
// let in, whatever else the server asks of its callers.
type StatusRule struct {
	Machines []string // state machines' names; a * stands for any characters
	Tokens   []string // each lets in as Authorization: Bearer TOKEN
	Header   string   // a header that lets in by Secret; "" for none
	Secret   string
	Output   []string // members of the output that are shown, "order.id" what stands within one; none: nothing of it is

	RetryAfter time.Duration // how long a caller is told to wait before it asks again, in whole seconds; 5 s where 0
	Rate       Rate          // of all who are let in by the rule; 20 a second and 100 at once where 0
}

// What holds where a rule says nothing, and how often somebody may show no right secret.
const defaultRetryAfter = 5 * time.Second

var (
	defaultStatusRate = Rate{PerSecond: 20, Burst: 100}
	strangersRate     = Rate{PerSecond: 10, Burst: 50}
)

const (
	statusPath   = "/status/"
	describeCall = api.TargetAWS + "DescribeExecution"
)

// statusDesk answers GET /status/MACHINE/NAME.
type statusDesk struct {
	server    *Server
	region    string
	account   string
	rules     []statusRule
	strangers *bucket // of those whom no rule lets in
}

// statusRule is a StatusRule, ready to be asked. Secrets are kept as digests: what is compared has one length.
type statusRule struct {
	machines   []string
	tokens     [][sha256.Size]byte
	header     string // in canonical form, "" for none
	secret     [sha256.Size]byte
	shown      shown
	retryAfter string
	bucket     *bucket
}

// newStatusDesk makes the desk of the rules, nil where there is none.
func newStatusDesk(s *Server, c Config, now func() time.Time) (*statusDesk, error) {
	if len(c.Status) == 0 {
		return nil, nil
	}
	if c.Region == "" || c.Account == "" {
		return nil, errors.New("server: a status needs the region and the account of executions")
	}
	d := &statusDesk{server: s, region: c.Region, account: c.Account, strangers: newBucket(strangersRate, now)}
	for i := range c.Status {
		rule, err := newStatusRule(&c.Status[i], now)
		if err != nil {
			return nil, fmt.Errorf("server: status: %w", err)
		}
		d.rules = append(d.rules, rule)
	}
	return d, nil
}

func newStatusRule(r *StatusRule, now func() time.Time) (statusRule, error) {
	rule := statusRule{machines: r.Machines, header: textproto.CanonicalMIMEHeaderKey(r.Header), secret: sha256.Sum256([]byte(r.Secret)), shown: shown{}}
	for _, pattern := range r.Machines {
		if _, err := path.Match(pattern, ""); err != nil {
			return rule, fmt.Errorf("%q is no pattern of names", pattern)
		}
	}
	for _, token := range r.Tokens {
		if token == "" {
			return rule, errors.New("a token is empty")
		}
		rule.tokens = append(rule.tokens, sha256.Sum256([]byte(token)))
	}
	for _, member := range r.Output {
		rule.shown.add(member)
	}
	rate := r.Rate
	if rate == (Rate{}) {
		rate = defaultStatusRate
	}
	wait := r.RetryAfter
	if wait == 0 {
		wait = defaultRetryAfter
	}
	switch {
	case len(r.Machines) == 0:
		return rule, errors.New("a rule is of no state machine")
	case (r.Header == "") != (r.Secret == ""):
		return rule, errors.New("a header and its secret belong together")
	case len(r.Tokens) == 0 && r.Header == "":
		return rule, errors.New("a rule lets nobody in: it has neither tokens nor a header")
	case rate.PerSecond <= 0 || rate.Burst < 1:
		return rule, errors.New("a rate would let no call through")
	}
	rule.retryAfter = strconv.Itoa(int((wait + time.Second - 1) / time.Second))
	rule.bucket = newBucket(rate, now)
	return rule, nil
}

// ServeHTTP answers one question. Who is let in hears the same of a state machine that no rule of theirs is of, and of an execution that is not there.
func (d *statusDesk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status := d.answer(w, r)
	d.server.metrics.statuses.WithLabelValues(strconv.Itoa(status)).Inc()
}

// answer does so, and gives the HTTP status.
func (d *statusDesk) answer(w http.ResponseWriter, r *http.Request) int {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return d.refuse(w, http.StatusMethodNotAllowed, "Ask by GET.")
	}
	rules := d.letIn(r.Header)
	if len(rules) == 0 {
		if d.strangers.take() != nil {
			return d.later(w, http.StatusTooManyRequests)
		}
		w.Header().Set("WWW-Authenticate", "Bearer")
		return d.refuse(w, http.StatusUnauthorized, "This needs a token that is known here.")
	}
	machine, name, ok := statusOf(r.URL)
	rule := rules[0]
	for _, other := range rules {
		if ok && other.covers(machine) {
			rule = other
			break
		}
	}
	if rule.bucket.take() != nil {
		return d.later(w, http.StatusTooManyRequests)
	}
	if !ok || !rule.covers(machine) {
		return d.unknown(w)
	}
	return d.ask(w, r, rule, api.ARN{Kind: api.KindExecution, Partition: "aws", Region: d.region, Account: d.account, Machine: machine, Name: name})
}

// ask asks the service where an execution stands.
func (d *statusDesk) ask(w http.ResponseWriter, r *http.Request, rule *statusRule, arn api.ARN) int {
	s := d.server
	select {
	case s.calls <- struct{}{}:
		defer func() { <-s.calls }()
	default:
		return d.later(w, http.StatusServiceUnavailable)
	}
	in := &api.DescribeExecutionInput{ExecutionArn: arn.String()}
	if len(rule.shown) == 0 {
		in.IncludedData = api.IncludedDataMetadataOnly
	}
	id, rt := newRequestID(), s.routes[describeCall]
	found, err := s.perform(r.Context(), rt, in, id)
	if err != nil {
		switch failure := s.explain(err, rt.Name, id); failure.Code {
		case api.CodeExecutionDoesNotExist:
			return d.unknown(w)
		case api.CodeServiceUnavailable, api.CodeThrottling:
			return d.later(w, http.StatusServiceUnavailable)
		default:
			w.Header().Set("X-Amzn-Requestid", id)
			return d.refuse(w, http.StatusInternalServerError, "Something went wrong that should not.")
		}
	}
	return d.tell(w, rule, found.(*api.DescribeExecutionOutput), id)
}

// tell answers where an execution stands, with what is shown of its output.
func (d *statusDesk) tell(w http.ResponseWriter, rule *statusRule, x *api.DescribeExecutionOutput, id string) int {
	body := bytes.NewBufferString(`{"status":"` + string(x.Status) + `"`)
	status := http.StatusOK
	if !x.Status.Ended() {
		w.Header().Set("Retry-After", rule.retryAfter)
		status = http.StatusAccepted
	} else if x.Output != nil && len(rule.shown) > 0 {
		output, err := rule.shown.of(*x.Output)
		if err != nil {
			d.server.log.Error("output can't be shown", "id", id, "error", err)
			w.Header().Set("X-Amzn-Requestid", id)
			return d.refuse(w, http.StatusInternalServerError, "Something went wrong that should not.")
		}
		if output != nil {
			body.WriteString(`,"output":`)
			body.Write(output)
		}
	}
	body.WriteString("}\n")
	return d.write(w, status, body.Bytes())
}

func (d *statusDesk) unknown(w http.ResponseWriter) int {
	return d.refuse(w, http.StatusNotFound, "There is no such execution.")
}

func (d *statusDesk) later(w http.ResponseWriter, status int) int {
	w.Header().Set("Retry-After", "1")
	return d.refuse(w, status, "Too many ask. Ask again later.")
}

func (d *statusDesk) refuse(w http.ResponseWriter, status int, message string) int {
	return d.write(w, status, []byte(`{"message":"`+message+"\"}\n"))
}

func (d *statusDesk) write(w http.ResponseWriter, status int, body []byte) int {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(writeTimeout))
	w.WriteHeader(status)
	_, _ = w.Write(body)
	_ = control.SetWriteDeadline(time.Time{})
	return status
}

// letIn are the rules that let in who sends these headers. It compares with every secret, so that how long it takes tells nothing of them.
func (d *statusDesk) letIn(h http.Header) []*statusRule {
	token := sha256.Sum256([]byte(bearer(h["Authorization"])))
	var in []*statusRule
	for i := range d.rules {
		rule, known := &d.rules[i], 0
		for _, one := range rule.tokens {
			known |= subtle.ConstantTimeCompare(one[:], token[:])
		}
		if rule.header != "" {
			secret := sha256.Sum256([]byte(single(h[rule.header])))
			known |= subtle.ConstantTimeCompare(rule.secret[:], secret[:])
		}
		if known == 1 {
			in = append(in, rule)
		}
	}
	return in
}

// single is a header that is there once, else "".
func single(values []string) string {
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

// bearer is the token of the header Authorization, "" where there is none.
func bearer(values []string) string {
	scheme, token, _ := strings.Cut(single(values), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// statusOf is the state machine and the execution that a URL asks for.
func statusOf(u *url.URL) (machine, name string, ok bool) {
	first, second, _ := strings.Cut(strings.TrimPrefix(u.EscapedPath(), statusPath), "/")
	machine, err := url.PathUnescape(first)
	if err != nil {
		return "", "", false
	}
	name, err = url.PathUnescape(second)
	return machine, name, err == nil && api.ValidName(machine) && api.ValidName(name)
}

// covers reports whether the rule is of that state machine.
func (r *statusRule) covers(machine string) bool {
	for _, pattern := range r.machines {
		if is, _ := path.Match(pattern, machine); is {
			return true
		}
	}
	return false
}
