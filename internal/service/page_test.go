package service_test

import (
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
