package service_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
)

// TestTokens: a next token is good for a day, for its own query alone.
func TestTokens(t *testing.T) {
	h := newHouse(t)
	svc, ctx := h.service, t.Context()
	first, second := published(t, svc, "M", 3), published(t, svc, "N", 3)
	page, err := svc.ListStateMachineVersions(ctx, &api.ListStateMachineVersionsInput{StateMachineArn: first, MaxResults: 1})
	if err != nil || page.NextToken == nil {
		t.Fatalf("the first page: %+v, %v", page, err)
	}
	_, err = svc.ListStateMachineVersions(ctx, &api.ListStateMachineVersionsInput{StateMachineArn: second, NextToken: page.NextToken})
	refused(t, err, api.CodeInvalidToken, "Invalid token")
	_, err = svc.ListStateMachineAliases(ctx, &api.ListStateMachineAliasesInput{StateMachineArn: first, NextToken: page.NextToken})
	refused(t, err, api.CodeInvalidToken, "Invalid token")
	_, err = svc.ListStateMachines(ctx, &api.ListStateMachinesInput{NextToken: page.NextToken})
	refused(t, err, api.CodeInvalidToken, "Invalid token")

	now := time.Now()
	svc.Now = func() time.Time { return now.Add(24*time.Hour - time.Minute) }
	if _, err := svc.ListStateMachineVersions(ctx, &api.ListStateMachineVersionsInput{StateMachineArn: first, NextToken: page.NextToken}); err != nil {
		t.Errorf("within the day: %v", err)
	}
	svc.Now = func() time.Time { return now.Add(24*time.Hour + time.Minute) }
	_, err = svc.ListStateMachineVersions(ctx, &api.ListStateMachineVersionsInput{StateMachineArn: first, NextToken: page.NextToken})
	refused(t, err, api.CodeInvalidToken, "Expired token")
}

// A page of a history is bounded in bytes, too, and the next token goes on where it
// ends, in both orders.
func TestAPageOfALargeHistoryIsBounded(t *testing.T) {
	h := newHouse(t)
	var states []string
	for i := range 100 {
		next := fmt.Sprintf(`"Next":"S%d"`, i+1)
		if i == 99 {
			next = `"End":true`
		}
		states = append(states, fmt.Sprintf(`"S%d":{"Type":"Pass","Result":%d,"ResultPath":"$.n",%s}`, i, i, next))
	}
	machine := create(t, h.service, "Large", `{"StartAt":"S0","States":{`+strings.Join(states, ",")+`}}`)
	arn := start(t, h.service, machine, "large", `{"text":"`+strings.Repeat("x", 200_000)+`"}`)
	await(t, h.service, arn)
	for _, backwards := range []bool{false, true} {
		in := &api.GetExecutionHistoryInput{ExecutionArn: arn, MaxResults: 1000, ReverseOrder: backwards}
		pages, last, step := 0, int64(0), map[bool]int64{false: 1, true: -1}[backwards]
		for more := true; more; pages++ {
			page, err := h.service.GetExecutionHistory(t.Context(), in)
			if err != nil || len(page.Events) == 0 || len(page.Events) >= 200 {
				t.Fatalf("page %d: %d events, %v", pages, len(page.Events), err)
			}
			for _, e := range page.Events {
				if last != 0 && e.Id-last != step {
					t.Fatalf("event %d follows %d", e.Id, last)
				}
				last = e.Id
			}
			in.NextToken, more = page.NextToken, page.NextToken != nil
		}
		if end := map[bool]int64{false: 202, true: 1}[backwards]; last != end || pages < 2 {
			t.Errorf("the last of %d pages ends at event %d, not %d", pages, last, end)
		}
	}
}
