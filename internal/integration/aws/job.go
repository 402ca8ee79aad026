package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// job is what there is to know of a job that an integration of the pattern
// .sync begins: how the service is asked for it, what it then says, and how it
// is stopped. Paths name members by dots, items of lists by number.
type job struct {
	describe string // the operation that tells of it
	by       fields // and what that is asked with
	at       string // where in the answer the description is; "": it is all of it
	status   string // where in that the status is
	well     string // the statuses of a job that has ended well
	badly    string // and of one that has ended otherwise
	// Sound tells of one that has ended well whether it really did; nil: yes.
	sound func(description value.Value) bool
	gone  bool   // a job that the service knows no more has ended well
	under string // the result's member that holds the description; "": it is the result itself
	with  fields // what the result holds beside it

	second bool // the pattern is known as .sync:2 too

	stop   string // the operation that ends it; "": it goes on
	stopBy fields
}

// fields are members of an object, and where their values come from.
type fields []field

type field struct {
	name string
	of   origin
}

// origin is where a value comes from.
type origin func(s *integration.Submission) value.Value

// answered is from the service's answer to the call that began the job.
func answered(path string) origin {
	return func(s *integration.Submission) value.Value { return at(s.Answer.Decode(), path) }
}

// asked is from the task's parameters, by the name that the service gives it or
// by that with its first letter raised.
func asked(name string) origin {
	return func(s *integration.Submission) value.Value {
		params := s.Request.Decode()
		if v := params.Get(name); !v.IsAbsent() {
			return v
		}
		return params.Get(strings.ToLower(name[:1]) + name[1:])
	}
}

// said is a text.
func said(text string) origin {
	return func(*integration.Submission) value.Value { return value.NewString(text) }
}

// one is a list of one.
func one(of origin) origin {
	return func(s *integration.Submission) value.Value {
		v := of(s)
		if v.IsAbsent() {
			return v
		}
		return value.NewArray([]value.Value{v})
	}
}

// of is the object of the fields.
func (f fields) of(s *integration.Submission) value.Value {
	b := value.NewBuilder(len(f))
	for _, each := range f {
		b.Set(each.name, each.of(s))
	}
	return b.Object()
}

// at is what a path leads to, absent where that is nothing.
func at(v value.Value, path string) value.Value {
	if path == "" {
		return v
	}
	for name := range strings.SplitSeq(path, ".") {
		if i, err := strconv.Atoi(name); err == nil {
			if i >= v.Len() || v.Kind() != value.Array {
				return value.Value{}
			}
			v = v.Items()[i]
			continue
		}
		v = v.Get(name)
	}
	return v
}

// settling is how long a service may not know yet what it has just begun, and
// refuse to tell of it.
const settling = 2 * time.Minute

// Poll implements [integration.Poller].
func (h *optimised) Poll(ctx context.Context, s integration.Submission) (value.Text, bool, error) {
	j := jobs[s.Service+":"+s.Action]
	c, out, err := h.ask(ctx, &s, j.describe, j.by)
	switch {
	case err != nil && !(j.gone && c != nil && c.code == "ResourceNotFoundException"):
		return value.Text{}, false, c.lasting(err, s.Age)
	case err != nil:
		text, err := c.result(withoutMetadata(s.Answer.Decode()))
		return text, true, err
	}
	told := at(out, j.at)
	status := at(told, j.status).AsString()
	well := slices.Contains(strings.Fields(j.well), status)
	switch {
	case told.IsAbsent() && s.Age < settling:
		return value.Text{}, false, errors.New("the service does not know the job yet: " + out.Text().String())
	case told.IsAbsent():
		return value.Text{}, false, integration.NewError("States.TaskFailed", out.Text().String(), integration.EffectUnknown)
	case !well && !slices.Contains(strings.Fields(j.badly), status):
		return value.Text{}, false, nil
	}
	result := j.result(told, &s)
	if !well || j.sound != nil && !j.sound(told) {
		return value.Text{}, false, integration.NewError("States.TaskFailed", result.Text().String(), integration.EffectUnknown)
	}
	text, err := c.result(result)
	return text, err == nil, err
}

// result is the task's result, or the cause of its failure.
func (j *job) result(told value.Value, s *integration.Submission) value.Value {
	if j.under != "" {
		told = value.NewObject(value.Member{Name: j.under, Value: told})
	}
	for name, v := range j.with.of(s).Members() {
		told = told.With(name, v)
	}
	return told
}

// Stop implements [integration.Poller].
func (h *optimised) Stop(ctx context.Context, s integration.Submission) error {
	j := jobs[s.Service+":"+s.Action]
	if j.stop == "" {
		return nil
	}
	c, _, err := h.ask(ctx, &s, j.stop, j.stopBy)
	if err != nil {
		return c.lasting(err, settling)
	}
	return nil
}

// ask calls an operation about a job.
func (h *optimised) ask(ctx context.Context, s *integration.Submission, operation string, by fields) (*call, value.Value, error) {
	c, err := h.call(s.Task, h.service.actions[s.Action].model, operation)
	if err != nil {
		return nil, value.Value{}, err
	}
	out, _, err := c.do(ctx, by.of(s))
	if err != nil {
		return c, value.Value{}, toldNothing(err, integration.EffectUnknown)
	}
	return c, out.Object(), nil
}

// lasting is an error as the contract of [integration.Poller] has it: what may
// pass is no *[integration.Error].
func (c *call) lasting(err error, age time.Duration) error {
	var failed *integration.Error
	if c == nil || !errors.As(err, &failed) || failed.Name == "States.Runtime" {
		return err
	}
	if c.code == "" && c.status == 0 || c.passes() || age < settling {
		return fmt.Errorf("service %s: %v", c.model.ID, failed)
	}
	return err
}

// passes reports whether the error that a service answered is one of the moment.
func (c *call) passes() bool {
	_, throttled := retry.DefaultThrottleErrorCodes[c.code]
	_, retried := retry.DefaultRetryableErrorCodes[c.code]
	return throttled || retried || c.status >= 500 || c.status == http.StatusTooManyRequests || c.status == http.StatusRequestTimeout ||
		slices.Contains([]string{"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}, c.code)
}

// withoutMetadata is a result without what is told of its answer.
func withoutMetadata(result value.Value) value.Value {
	return without(without(result, "SdkHttpMetadata"), "SdkResponseMetadata")
}
