package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/journal"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/service"
	"github.com/backstep/backstep/internal/store/storetest"
)

// reports keeps what the reporter of a house told.
type reports struct {
	mu      sync.Mutex
	logged  []journal.LogEvent
	changed []journal.StatusChange
}

func (r *reports) teller(catalog *service.Catalog) func(*engine.Telling) {
	return service.NewReporter(service.ReporterConfig{
		Catalog: catalog,
		Log: func(e journal.LogEvent) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.logged = append(r.logged, e)
		},
		Change: func(c journal.StatusChange) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.changed = append(r.changed, c)
		},
	}).Tell
}

// log is what a group was told, a line each.
func (r *reports) log(group string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []string
	for _, e := range r.logged {
		if e.Group == group {
			lines = append(lines, e.Text)
		}
	}
	return lines
}

// details are the details of an execution's status changes.
func (r *reports) details(execution string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var details []string
	for _, c := range r.changed {
		if c.Execution == execution {
			details = append(details, c.Detail)
		}
	}
	return details
}

// logTo is a configuration that logs to a group.
func logTo(group string, level api.LogLevel, data bool) *api.LoggingConfiguration {
	return &api.LoggingConfiguration{Level: level, IncludeExecutionData: data, Destinations: []api.LogDestination{
		{CloudWatchLogsLogGroup: &api.CloudWatchLogsLogGroup{LogGroupArn: ptr("arn:aws:logs:us-east-1:123456789012:log-group:" + group + ":*")}},
	}}
}

// without takes the timestamps out, whose values differ, and the machine's ARN.
func without(t *testing.T, line, execution string) string {
	t.Helper()
	var e map[string]any
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if at, ok := e["event_timestamp"].(string); !ok || len(at) != 13 || e["execution_arn"] != execution {
		t.Errorf("%s tells no time, or of no %s", line, execution)
	}
	return fmt.Sprint(e["id"], " ", e["type"], " ", e["details"], " ", e["previous_event_id"], " ", e["redrive_count"])
}

func TestLogs(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct {
		level api.LogLevel
		data  bool
		want  []string
	}{
		{api.LogLevelAll, true, []string{
			"1 ExecutionStarted map[input:{\"fail\":\"<Boom>\"} inputDetails:map[truncated:false] roleArn:" + role + "] 0 0",
			"2 TaskStateEntered map[input:{\"fail\":\"<Boom>\"} inputDetails:map[truncated:false] name:T] 0 0",
			"3 TaskScheduled map[parameters:{\"FunctionName\":\"f\",\"Payload\":{\"fail\":\"<Boom>\"}} region:us-east-1 resource:invoke resourceType:lambda] 2 0",
			"4 TaskStarted map[resource:invoke resourceType:lambda] 3 0",
			"5 TaskFailed map[cause:as asked error:<Boom> resource:invoke resourceType:lambda] 4 0",
			"6 ExecutionFailed map[cause:as asked error:<Boom>] 5 0",
		}},
		{api.LogLevelAll, false, []string{
			"1 ExecutionStarted map[roleArn:" + role + "] 0 0",
			"2 TaskStateEntered map[name:T] 0 0",
			"3 TaskScheduled map[parameters: region:us-east-1 resource:invoke resourceType:lambda] 2 0",
			"4 TaskStarted map[resource:invoke resourceType:lambda] 3 0",
			"5 TaskFailed map[cause:as asked error:<Boom> resource:invoke resourceType:lambda] 4 0",
			"6 ExecutionFailed map[cause:as asked error:<Boom>] 5 0",
		}},
		{api.LogLevelError, true, []string{
			"5 TaskFailed map[cause:as asked error:<Boom> resource:invoke resourceType:lambda] 4 0",
			"6 ExecutionFailed map[cause:as asked error:<Boom>] 5 0",
		}},
		{api.LogLevelFatal, true, []string{"6 ExecutionFailed map[cause:as asked error:<Boom>] 5 0"}},
		{api.LogLevelOff, true, nil},
	} {
		group := fmt.Sprintf("/%s/%v", c.level, c.data)
		m := strings.NewReplacer("/", "").Replace(group)
		out, err := h.service.CreateStateMachine(t.Context(), &api.CreateStateMachineInput{
			Name: m, Definition: failing, RoleArn: role, LoggingConfiguration: logTo(group, c.level, c.data),
		})
		if err != nil {
			t.Fatal(err)
		}
		x := start(t, h.service, out.StateMachineArn, "x", `{"fail":"<Boom>"}`)
		await(t, h.service, x)
		var got []string
		for _, line := range h.reports.log(group) {
			got = append(got, without(t, line, x))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s, data %v:\n%s\nwant\n%s", c.level, c.data, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// A machine's logging is what it was last set to, from the next event on.
func TestLogsAfterAnUpdate(t *testing.T) {
	h := newHouse(t)
	arn := create(t, h.service, "M", passing)
	await(t, h.service, start(t, h.service, arn, "before", "{}"))
	set := func(c *api.LoggingConfiguration) {
		t.Helper()
		if _, err := h.service.UpdateStateMachine(t.Context(), &api.UpdateStateMachineInput{StateMachineArn: arn, LoggingConfiguration: c}); err != nil {
			t.Fatal(err)
		}
	}
	set(logTo("/g", api.LogLevelAll, false))
	await(t, h.service, start(t, h.service, arn, "between", "{}"))
	set(logTo("/g", api.LogLevelOff, false))
	await(t, h.service, start(t, h.service, arn, "after", "{}"))
	lines := h.reports.log("/g")
	if len(lines) != 4 {
		t.Errorf("%d events were logged", len(lines))
	}
	for _, line := range lines {
		without(t, line, "arn:aws:states:us-east-1:123456789012:execution:M:between")
	}
}

// What was started by a version or an alias logs as the version says, whatever
// becomes of the state machine. Where the version is gone, its machine says.
func TestLogsByVersion(t *testing.T) {
	h := newHouse(t)
	out, err := h.service.CreateStateMachine(t.Context(), &api.CreateStateMachineInput{
		Name: "V", Definition: sleeping, RoleArn: role, LoggingConfiguration: logTo("/then", api.LogLevelFatal, false), Publish: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	version, arn := *out.StateMachineVersionArn, out.StateMachineArn
	if _, err := h.service.UpdateStateMachine(t.Context(), &api.UpdateStateMachineInput{StateMachineArn: arn, LoggingConfiguration: logTo("/now", api.LogLevelFatal, false)}); err != nil {
		t.Fatal(err)
	}
	alias, err := h.service.CreateStateMachineAlias(t.Context(), &api.CreateStateMachineAliasInput{
		Name: "live", RoutingConfiguration: []api.RoutingConfigurationListItem{{StateMachineVersionArn: version, Weight: 100}},
	})
	if err != nil {
		t.Fatal(err)
	}
	stopped := func(x string) string {
		t.Helper()
		if _, err := h.service.StopExecution(t.Context(), &api.StopExecutionInput{ExecutionArn: x}); err != nil {
			t.Fatal(err)
		}
		return x
	}
	want := map[string][]string{
		"/then": {stopped(start(t, h.service, version, "a", "{}")), stopped(start(t, h.service, alias.StateMachineAliasArn, "b", "{}"))},
		"/now":  {stopped(start(t, h.service, arn, "c", "{}"))},
	}
	if _, err := h.service.DeleteStateMachineAlias(t.Context(), &api.DeleteStateMachineAliasInput{StateMachineAliasArn: alias.StateMachineAliasArn}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.service.DeleteStateMachineVersion(t.Context(), &api.DeleteStateMachineVersionInput{StateMachineVersionArn: version}); err != nil {
		t.Fatal(err)
	}
	for group, executions := range want {
		lines := h.reports.log(group)
		if len(lines) != len(executions) {
			t.Fatalf("%s: %q, for %q", group, lines, executions)
		}
		for i, x := range executions {
			without(t, lines[i], x)
		}
	}
	group := ""
	service.NewReporter(service.ReporterConfig{
		Catalog: service.NewCatalog(h.store, nil), Log: func(e journal.LogEvent) { group = e.Group },
	}).Tell(&engine.Telling{
		Start:  &machine.Start{Account: account, Region: region, Machine: "V", Version: version},
		Events: []machine.Event{{ID: 9, Type: machine.ExecutionAborted}},
	})
	if group != "/now" {
		t.Errorf("an execution of a version that is gone logs to %q", group)
	}
}

// The children of a distributed Map log as the state machine does.
func TestLogsOfAMapRun(t *testing.T) {
	h := newHouse(t)
	for _, kind := range []string{"STANDARD", "EXPRESS"} {
		group := "/" + kind
		out, err := h.service.CreateStateMachine(t.Context(), &api.CreateStateMachineInput{
			Name: kind, Definition: each(kind, ""), RoleArn: role, LoggingConfiguration: logTo(group, api.LogLevelAll, false),
		})
		if err != nil {
			t.Fatal(err)
		}
		x := start(t, h.service, out.StateMachineArn, "x", `[1]`)
		await(t, h.service, x)
		var own, children []string
		for _, line := range h.reports.log(group) {
			if strings.Contains(line, x) {
				own = append(own, line)
			} else if strings.Contains(line, kind+"/Ours:") && strings.Contains(line, `","map_run_arn":"arn:aws:states:us-east-1:123456789012:mapRun:`+kind+"/Ours:") {
				children = append(children, line)
			}
		}
		if len(own) != 8 || len(children) != 7 || len(own)+len(children) != len(h.reports.log(group)) {
			t.Errorf("%s: logged\n%s\nand of children\n%s", kind, strings.Join(own, "\n"), strings.Join(children, "\n"))
		}
	}
}

// A map run is no execution: its status is nobody's business but its Map's.
func TestStatusChangesOfAMapRun(t *testing.T) {
	h := newHouse(t)
	x := start(t, h.service, create(t, h.service, "M", each("STANDARD", "")), "x", `[1]`)
	await(t, h.service, x)
	runs, err := h.service.ListMapRuns(t.Context(), &api.ListMapRunsInput{ExecutionArn: x})
	if err != nil || len(runs.MapRuns) != 1 {
		t.Fatalf("map runs: %+v, %v", runs, err)
	}
	_, run, _ := strings.Cut(runs.MapRuns[0].MapRunArn, "/")
	h.reports.mu.Lock()
	defer h.reports.mu.Unlock()
	for _, c := range h.reports.changed {
		if strings.HasSuffix(c.Execution, run) {
			t.Errorf("told %s", c.Detail)
		}
	}
	if n := len(h.reports.changed); n != 4 {
		t.Errorf("%d changes were told of an execution and a child", n)
	}
}

// A configuration that logs to a group that is not there is refused, where
// anybody knows.
func TestLogGroups(t *testing.T) {
	var asked []string
	h := newHouse(t)
	h.service.LogGroup = func(_ context.Context, name string) (bool, error) {
		asked = append(asked, name)
		if name == "/silent" {
			return false, errors.New("no answer")
		}
		return name == "/there", nil
	}
	missing := "Invalid Logging Configuration: Log Destination not found."
	unqualified := logTo("/there", api.LogLevelAll, false)
	*unqualified.Destinations[0].CloudWatchLogsLogGroup.LogGroupArn = "arn:aws:logs:us-east-1:123456789012:log-group:/there"
	arn := create(t, h.service, "M", passing)
	for i, c := range []struct {
		logging *api.LoggingConfiguration
		refused string
	}{
		{logTo("/there", api.LogLevelAll, false), ""},
		{logTo("/silent", api.LogLevelError, false), ""},
		{logTo("/gone", api.LogLevelOff, false), ""},
		{logTo("/gone", api.LogLevelFatal, false), missing},
		{unqualified, "Invalid Logging Configuration: Log Group ARN must be provided with '*' qualifier."},
	} {
		_, created := h.service.CreateStateMachine(t.Context(), &api.CreateStateMachineInput{
			Name: fmt.Sprint("M", i), Definition: passing, RoleArn: role, LoggingConfiguration: c.logging,
		})
		_, updated := h.service.UpdateStateMachine(t.Context(), &api.UpdateStateMachineInput{StateMachineArn: arn, LoggingConfiguration: c.logging})
		for _, err := range []error{created, updated} {
			if c.refused != "" {
				refused(t, err, api.CodeInvalidLoggingConfiguration, c.refused)
			} else if err != nil {
				t.Error(err)
			}
		}
	}
	if got := strings.Join(asked, " "); got != "/there /there /silent /silent /gone /gone" {
		t.Errorf("asked for %s", got)
	}
	if got, err := h.service.DescribeStateMachine(t.Context(), &api.DescribeStateMachineInput{StateMachineArn: arn}); err != nil || got.LoggingConfiguration.Level != api.LogLevelOff {
		t.Errorf("a refused update changed it to %+v, %v", got.LoggingConfiguration, err)
	}
}

// An express execution's events are logged too, under its own ARN.
func TestLogsExpress(t *testing.T) {
	h := newHouse(t)
	out, err := h.service.CreateStateMachine(t.Context(), &api.CreateStateMachineInput{
		Name: "E", Definition: passing, RoleArn: role, Type: api.StateMachineTypeExpress, LoggingConfiguration: logTo("/e", api.LogLevelAll, true),
	})
	if err != nil {
		t.Fatal(err)
	}
	run, err := h.service.StartSyncExecution(t.Context(), &api.StartSyncExecutionInput{StateMachineArn: out.StateMachineArn, Input: ptr(`{"a":1}`)})
	if err != nil {
		t.Fatal(err)
	}
	lines := h.reports.log("/e")
	if len(lines) != 4 || without(t, lines[3], run.ExecutionArn) != `4 ExecutionSucceeded map[output:{"a":1} outputDetails:map[truncated:false]] 3 0` {
		t.Errorf("logged %q", lines)
	}
	if changes := h.reports.details(run.ExecutionArn); len(changes) != 0 {
		t.Errorf("statuses of an express execution were told: %q", changes)
	}
}

// What takes more than 248 KiB as a JSON string is cut, and the event says so.
func TestLogsCutWhatIsLong(t *testing.T) {
	h := newHouse(t)
	out, err := h.service.CreateStateMachine(t.Context(), &api.CreateStateMachineInput{
		Name: "L", Definition: passing, RoleArn: role, LoggingConfiguration: logTo("/l", api.LogLevelAll, true),
	})
	if err != nil {
		t.Fatal(err)
	}
	await(t, h.service, start(t, h.service, out.StateMachineArn, "x", `"`+strings.Repeat("ä", 120_000)+strings.Repeat(`\"`, 5_000)+`"`))
	for _, line := range h.reports.log("/l") {
		var e struct {
			Details struct {
				Input, Output               string
				InputDetails, OutputDetails struct{ Truncated bool }
			}
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		d := e.Details
		// A quote and 240,000 bytes of text, then pieces of 3: \" takes 4.
		if len(d.Input+d.Output) != 1+240_000+2*3_487+1 && len(d.Input+d.Output) != 1+240_000+2*3_487 || !d.InputDetails.Truncated && !d.OutputDetails.Truncated {
			t.Errorf("%d bytes were told, cut %v %v", len(d.Input+d.Output), d.InputDetails, d.OutputDetails)
		}
	}
}

func TestLogsGoNowhere(t *testing.T) {
	h := newHouse(t)
	if _, err := h.service.CreateStateMachine(t.Context(), &api.CreateStateMachineInput{
		Name: "N", Definition: passing, RoleArn: role, LoggingConfiguration: logTo("/n", api.LogLevelAll, true),
	}); err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	r := service.NewReporter(service.ReporterConfig{Catalog: service.NewCatalog(h.store, nil), Logger: slog.New(slog.NewTextHandler(&told, nil))})
	telling := &engine.Telling{Start: &machine.Start{Account: account, Region: region, Machine: "N"}, Events: []machine.Event{{ID: 1, Type: machine.ExecutionStarted}}}
	r.Tell(telling)
	r.Tell(telling)
	if strings.Count(told.String(), "nothing takes its log events") != 1 {
		t.Errorf("told %s", told.String())
	}
	store := storetest.NewMemory(storetest.MemoryOptions{}).Open()
	store.Close()
	service.NewReporter(service.ReporterConfig{Catalog: service.NewCatalog(store, nil), Log: func(journal.LogEvent) { t.Error("logged") }}).Tell(telling)
}

func TestStatusChanges(t *testing.T) {
	h := newHouse(t)
	arn := create(t, h.service, "M", failing)
	x := start(t, h.service, arn, "good", `{"a":"<1>"}`)
	end := await(t, h.service, x)
	bad := start(t, h.service, arn, "bad", `{"fail":"Boom"}`)
	await(t, h.service, bad)
	long := start(t, h.service, create(t, h.service, "P", passing), "long", `"`+strings.Repeat("x", 200_000)+`"`)
	await(t, h.service, long)
	longer := start(t, h.service, create(t, h.service, "Q", passing), "longer", `"`+strings.Repeat(`\"`, 100_000)+`"`)
	await(t, h.service, longer)
	begin := fmt.Sprintf(`{"executionArn":%q,"stateMachineArn":%q,"name":"good",`, x, arn)
	dates := fmt.Sprintf(`"startDate":%d,"stopDate":%d,`, int64(end.StartDate), int64(*end.StopDate))
	want := []string{
		begin + `"status":"RUNNING",` + fmt.Sprintf(`"startDate":%d,`, int64(end.StartDate)) + `"stopDate":null,"input":"{\"a\":\"<1>\"}","output":null,` +
			`"stateMachineVersionArn":null,"stateMachineAliasArn":null,"redriveCount":0,"redriveDate":null,"redriveStatus":"NOT_REDRIVABLE",` +
			`"redriveStatusReason":"Execution is RUNNING and cannot be redriven","inputDetails":{"included":true},"outputDetails":null,"error":null,"cause":null}`,
		begin + `"status":"SUCCEEDED",` + dates + `"input":"{\"a\":\"<1>\"}","output":"{\"Payload\":{\"a\":\"<1>\"},\"StatusCode\":200}",` +
			`"stateMachineVersionArn":null,"stateMachineAliasArn":null,"redriveCount":0,"redriveDate":null,"redriveStatus":"NOT_REDRIVABLE",` +
			`"redriveStatusReason":"Execution is SUCCEEDED and cannot be redriven","inputDetails":{"included":true},"outputDetails":{"included":true},"error":null,"cause":null}`,
	}
	if got := h.reports.details(x); !slices.Equal(got, want) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, c := range []struct{ execution, in string }{
		{bad, `"status":"FAILED"`}, {bad, `"redriveStatus":"REDRIVABLE","redriveStatusReason":null`}, {bad, `"error":"Boom","cause":"as asked"`},
		{long, `"input":null,"output":"\"xxx`}, {long, `"inputDetails":{"included":false},"outputDetails":{"included":true}`},
		{longer, `"input":null,"output":null`}, {longer, `"inputDetails":{"included":false},"outputDetails":{"included":false}`},
	} {
		details := h.reports.details(c.execution)
		if len(details) != 2 || !strings.Contains(details[1], c.in) {
			t.Errorf("%s: told %.300q, not %s", c.execution, details, c.in)
		}
	}
	out, err := h.service.RedriveExecution(t.Context(), &api.RedriveExecutionInput{ExecutionArn: bad})
	if err != nil {
		t.Fatal(err)
	}
	await(t, h.service, bad)
	date := fmt.Sprintf(`"redriveCount":1,"redriveDate":%d,`, int64(out.RedriveDate))
	if details := h.reports.details(bad); len(details) != 4 || !strings.Contains(details[2], date) || !strings.Contains(details[3], date) {
		t.Errorf("after a redrive: told %q, not %s", details, date)
	}
}
