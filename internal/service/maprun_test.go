package service_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/backstep/backstep/api"
)

// each is a distributed Map of that kind of children, each of which calls.
func each(kind, more string) string {
	return fmt.Sprintf(`{"StartAt":"Each","States":{"Each":{"Type":"Map","Label":"Ours",%s"End":true,"ItemProcessor":{
		"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"%s"},"StartAt":"Do","States":{
		"Do":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f","Payload.$":"$"},"OutputPath":"$.Payload","End":true}}}}}}`, more, kind)
}

func mapRunLife(t *testing.T, h *house, svc api.Service) {
	machine := create(t, svc, name(t, "M"), each("STANDARD", `"ToleratedFailureCount":1,"ToleratedFailurePercentage":50.5,`))
	x := start(t, svc, machine, "x", `[1,{"fail":"No"},3]`)
	if end := await(t, svc, x); end.Status != api.ExecutionStatusSucceeded || *end.Output != `[1,3]` || end.MapRunArn != nil {
		t.Fatalf("it ended as %+v", end)
	}
	runs, err := svc.ListMapRuns(t.Context(), &api.ListMapRunsInput{ExecutionArn: x})
	if err != nil || len(runs.MapRuns) != 1 || runs.MapRuns[0].ExecutionArn != x || runs.MapRuns[0].StateMachineArn != machine || runs.MapRuns[0].StopDate == nil {
		t.Fatalf("map runs: %+v, %v", runs, err)
	}
	arn := runs.MapRuns[0].MapRunArn
	history, err := svc.GetExecutionHistory(t.Context(), &api.GetExecutionHistoryInput{ExecutionArn: x})
	if err != nil || *history.Events[3].MapRunStartedEventDetails.MapRunArn != arn || history.Events[4].Type != api.HistoryEventTypeMapRunSucceeded {
		t.Errorf("the history is %+v, %v; the map run %s", history, err, arn)
	}
	run, err := svc.DescribeMapRun(t.Context(), &api.DescribeMapRunInput{MapRunArn: arn})
	if err != nil || run.Status != api.MapRunStatusSucceeded || run.ExecutionArn != x || run.ToleratedFailureCount != 1 || run.ToleratedFailurePercentage != 50.5 {
		t.Fatalf("the map run is %+v, %v", run, err)
	}
	if c := run.ItemCounts; c.Total != 3 || c.Succeeded != 2 || c.Failed != 1 || c.Pending+c.Running+c.Aborted+c.TimedOut != 0 || c.ResultsWritten != 2 {
		t.Errorf("items: %+v", c)
	}
	if c := run.ExecutionCounts; c.Total != 3 || c.Succeeded != 2 || c.Failed != 1 {
		t.Errorf("executions: %+v", c)
	}
	mapRunChildren(t, svc, arn)
	for _, in := range []string{arn + "0", strings.Replace(arn, "/Ours", "/Other", 1), strings.Replace(arn, "123456789012", "999999999999", 1)} {
		_, err := svc.DescribeMapRun(t.Context(), &api.DescribeMapRunInput{MapRunArn: in})
		refused(t, err, api.CodeResourceNotFound, in)
	}
	_, err = svc.DescribeMapRun(t.Context(), &api.DescribeMapRunInput{MapRunArn: x})
	refused(t, err, api.CodeInvalidArn, "Resource type not valid")
}

// mapRunChildren looks at the children of the map run above.
func mapRunChildren(t *testing.T, svc api.Service, arn string) {
	t.Helper()
	var children []api.ExecutionListItem
	in := api.ListExecutionsInput{MapRunArn: &arn, MaxResults: 2}
	for {
		page, err := svc.ListExecutions(t.Context(), &in)
		if err != nil {
			t.Fatal(err)
		}
		children = append(children, page.Executions...)
		if in.NextToken = page.NextToken; in.NextToken == nil {
			break
		}
	}
	if len(children) != 3 {
		t.Fatalf("children: %+v", children)
	}
	for _, c := range children {
		if *c.MapRunArn != arn || *c.ItemCount != 1 || !strings.Contains(c.ExecutionArn, "/Ours:") || !strings.HasSuffix(c.StateMachineArn, "/Ours") {
			t.Errorf("child %+v", c)
		}
		got, err := svc.DescribeExecution(t.Context(), &api.DescribeExecutionInput{ExecutionArn: c.ExecutionArn})
		if err != nil || *got.MapRunArn != arn || got.StateMachineArn != c.StateMachineArn || got.Status != c.Status {
			t.Errorf("it is %+v, %v", got, err)
		}
		of, err := svc.DescribeStateMachineForExecution(t.Context(), &api.DescribeStateMachineForExecutionInput{ExecutionArn: c.ExecutionArn})
		if err != nil || *of.MapRunArn != arn || *of.Label != "Ours" || strings.Contains(of.Name, "/") {
			t.Errorf("its machine is %+v, %v", of, err)
		}
	}
	for filter, want := range map[api.ExecutionStatus]int{api.ExecutionStatusFailed: 1, api.ExecutionStatusSucceeded: 2, api.ExecutionStatusPendingRedrive: 0} {
		page, err := svc.ListExecutions(t.Context(), &api.ListExecutionsInput{MapRunArn: &arn, StatusFilter: filter})
		if err != nil || len(page.Executions) != want {
			t.Errorf("%s: %+v, %v", filter, page, err)
		}
	}
}

func mapRunUpdated(t *testing.T, h *house, svc api.Service) {
	definition := strings.Replace(each("STANDARD", `"MaxConcurrency":1,`), `"Task"`, `"Wait","Seconds":1000`, 1)
	definition = definition[:strings.Index(definition, `,"Resource"`)] + `,"End":true}}}}}}`
	x := start(t, svc, create(t, svc, name(t, "M"), definition), "x", `[1,2,3]`)
	runs, err := svc.ListMapRuns(t.Context(), &api.ListMapRunsInput{ExecutionArn: x})
	for err == nil && len(runs.MapRuns) == 0 {
		runs, err = svc.ListMapRuns(t.Context(), &api.ListMapRunsInput{ExecutionArn: x})
	}
	if err != nil {
		t.Fatal(err)
	}
	arn := runs.MapRuns[0].MapRunArn
	if _, err := svc.UpdateMapRun(t.Context(), &api.UpdateMapRunInput{MapRunArn: arn, MaxConcurrency: ptr(int32(2)),
		ToleratedFailureCount: ptr(int64(7)), ToleratedFailurePercentage: ptr(float32(12.5))}); err != nil {
		t.Fatal(err)
	}
	run, err := svc.DescribeMapRun(t.Context(), &api.DescribeMapRunInput{MapRunArn: arn})
	if err != nil || run.MaxConcurrency != 2 || run.ToleratedFailureCount != 7 || run.ToleratedFailurePercentage != 12.5 ||
		run.ItemCounts.Running != 2 || run.ItemCounts.Pending != 1 || run.Status != api.MapRunStatusRunning {
		t.Errorf("the map run is %+v, items %+v, %v", run, run.ItemCounts, err)
	}
	_, err = svc.UpdateMapRun(t.Context(), &api.UpdateMapRunInput{MapRunArn: arn})
	refused(t, err, api.CodeValidation, "At least one of")
	if _, err := svc.StopExecution(t.Context(), &api.StopExecutionInput{ExecutionArn: x}); err != nil {
		t.Fatal(err)
	}
	for run.Status == api.MapRunStatusRunning {
		if run, err = svc.DescribeMapRun(t.Context(), &api.DescribeMapRunInput{MapRunArn: arn}); err != nil {
			t.Fatal(err)
		}
	}
	if run.Status != api.MapRunStatusAborted || run.ItemCounts.Aborted != 2 {
		t.Errorf("the map run is %+v, items %+v", run, run.ItemCounts)
	}
	_, err = svc.UpdateMapRun(t.Context(), &api.UpdateMapRunInput{MapRunArn: arn, MaxConcurrency: ptr(int32(2))})
	refused(t, err, api.CodeValidation, "is not running")
}
