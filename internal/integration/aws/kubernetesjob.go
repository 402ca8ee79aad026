package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// stepLabel is the label by which a job is known that is sent again.
const stepLabel = "backstep-step"

// creation is the request that begins a job.
func (c *cluster) creation() (inquiry, error) {
	job := c.params.Get("Job")
	if job.Kind() == value.String {
		text, err := value.Check(job.AsString())
		if err != nil {
			return inquiry{}, problem("The value of the field 'Job' has an invalid format")
		}
		job = text.Decode()
	}
	if job.Kind() != value.Object {
		return inquiry{}, problem("The field 'Job' is required but was missing")
	}
	if _, err := lists(c.params.Get("LogOptions").Get("LogParameters"), "LogOptions.LogParameters"); err != nil {
		return inquiry{}, err
	}
	c.name = at(job, "metadata.name").AsString()
	if !c.client.strict {
		metadata := job.Get("metadata")
		labels := metadata.Get("labels").With(stepLabel, value.NewString(c.label(c.task.Earlier)))
		job = job.With("metadata", metadata.With("labels", labels))
	}
	return inquiry{method: http.MethodPost, path: c.jobs(""), body: job.Text().String()}, nil
}

func (c *cluster) label(earlier int) string { return c.task.StepID + "." + strconv.Itoa(earlier) }

// jobs is the path of a job of the task's namespace, or of all.
func (c *cluster) jobs(name string) string {
	path := "/apis/batch/v1/namespaces/" + c.namespace() + "/jobs"
	if name != "" {
		path += "/" + name
	}
	return path
}

func (c *cluster) namespace() string { return first(c.params.Get("Namespace").AsString(), "default") }

// ours reports whether a job that the cluster refused, because it has one of
// that name, is the very one: the request was sent before. Told is then what the
// cluster says of it.
func (c *cluster) ours(ctx context.Context, told *answer) bool {
	if told.status != http.StatusConflict || c.name == "" || c.client.strict {
		return false
	}
	there, err := c.ask(ctx, inquiry{method: http.MethodGet, path: c.jobs(c.name)})
	if err != nil || at(there.body, "metadata.labels."+stepLabel).AsString() != c.label(c.task.Earlier) {
		return false
	}
	*told = there
	return true
}

// Poll implements [integration.Poller].
func (k *kubernetes) Poll(ctx context.Context, s integration.Submission) (value.Text, bool, error) {
	c, told, err := k.about(ctx, &s, http.MethodGet)
	if err != nil {
		return value.Text{}, false, told.lasting(err, s.Age)
	}
	well := condition(told.body, "Complete")
	if !well && !condition(told.body, "Failed") {
		return value.Text{}, false, nil
	}
	result := told.object()
	if c.params.Get("LogOptions").Get("RetrieveLogs").AsBool() {
		result = result.With("logs", c.logs(ctx, at(told.body, "metadata.name").AsString()))
	}
	if !well {
		return value.Text{}, false, integration.NewError("States.TaskFailed", result.Text().String(), integration.EffectUnknown)
	}
	text, err := c.result(result)
	return text, err == nil, err
}

// Stop implements [integration.Poller]: the job and its pods go.
func (k *kubernetes) Stop(ctx context.Context, s integration.Submission) error {
	_, told, err := k.about(ctx, &s, http.MethodDelete)
	if err == nil || told.status == http.StatusNotFound {
		return nil
	}
	return told.lasting(err, settling)
}

// about asks about a job that was begun.
func (k *kubernetes) about(ctx context.Context, s *integration.Submission, method string) (*cluster, answer, error) {
	c, err := k.cluster(s.Task)
	if err != nil {
		return nil, answer{}, integration.BadParameters(s.Task, err.Error())
	}
	name := at(s.Answer.Decode(), "ResponseBody.metadata.name").AsString()
	if name == "" {
		return nil, answer{}, integration.NewError("States.TaskFailed", "The cluster did not name the job: "+s.Answer.String(), integration.EffectUnknown)
	}
	q := inquiry{method: method, path: c.jobs(name)}
	if method == http.MethodDelete {
		q.query = url.Values{"propagationPolicy": {"Background"}}
	}
	told, err := c.ask(ctx, q)
	if err != nil {
		err = toldNothing(err, integration.EffectUnknown)
	}
	return c, told, err
}

// lasting is an error as the contract of [integration.Poller] has it: what may
// pass is no *[integration.Error].
func (a *answer) lasting(err error, age time.Duration) error {
	var failed *integration.Error
	if !errors.As(err, &failed) || failed.Name == "States.Runtime" || failed.Name == "States.TaskFailed" {
		return err
	}
	passes := a.status == 0 || a.status >= 500 || a.status == http.StatusTooManyRequests || a.status == http.StatusRequestTimeout
	if passes || age < settling {
		return fmt.Errorf("cluster: %v", failed)
	}
	return err
}

// condition reports whether a condition holds of a job.
func condition(job value.Value, kind string) bool {
	for _, c := range at(job, "status.conditions").Items() {
		if c.Get("type").AsString() == kind && c.Get("status").AsString() == "True" {
			return true
		}
	}
	return false
}

// logs is what a job's containers have said, as well as can be found out.
func (c *cluster) logs(ctx context.Context, job string) value.Value {
	options := c.params.Get("LogOptions")
	list, err := c.ask(ctx, inquiry{
		method: http.MethodGet, path: "/api/v1/namespaces/" + c.namespace() + "/pods", query: url.Values{"labelSelector": {"job-name=" + job}},
	})
	if err != nil {
		return unlogged(err)
	}
	pods := value.NewBuilder(4)
	for _, pod := range list.body.Get("items").Items() {
		name := at(pod, "metadata.name").AsString()
		containers := value.NewBuilder(2)
		for _, container := range at(pod, "spec.containers").Items() {
			query, _ := lists(options.Get("LogParameters"), "LogParameters")
			query.Set("container", container.Get("name").AsString())
			told, err := c.ask(ctx, inquiry{method: http.MethodGet, path: "/api/v1/namespaces/" + c.namespace() + "/pods/" + name + "/log", query: query})
			said := unlogged(err)
			if err == nil {
				log := apiBody(told.text)
				if options.Get("RawLogs").AsBool() {
					log = value.NewString(told.text)
				}
				said = value.NewObject(value.Member{Name: "log", Value: log})
			}
			containers.Set(container.Get("name").AsString(), said)
		}
		pods.Set(name, value.NewObject(value.Member{Name: "containers", Value: containers.Object()}))
	}
	return value.NewObject(value.Member{Name: "pods", Value: pods.Object()})
}

// unlogged stands in the place of a log that could not be got.
func unlogged(err error) value.Value {
	var failed *integration.Error
	if !errors.As(err, &failed) {
		failed = integration.NewError("States.TaskFailed", fmt.Sprint(err), integration.EffectUnknown)
	}
	return value.NewObject(
		value.Member{Name: "error", Value: value.NewString(failed.Name)}, value.Member{Name: "cause", Value: value.NewString(failed.Cause)})
}
