package service_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/backstep/backstep/api"
)

func route(machine string, version int, weight int32) api.RoutingConfigurationListItem {
	return api.RoutingConfigurationListItem{StateMachineVersionArn: fmt.Sprintf("%s:%d", machine, version), Weight: weight}
}

func alias(t *testing.T, svc api.Service, name string, routes ...api.RoutingConfigurationListItem) string {
	t.Helper()
	out, err := svc.CreateStateMachineAlias(t.Context(), &api.CreateStateMachineAliasInput{Name: name, RoutingConfiguration: routes})
	if err != nil {
		t.Fatal(err)
	}
	return out.StateMachineAliasArn
}

// aliasList is all aliases of a machine or version, by pages of two.
func aliasList(t *testing.T, svc api.Service, arn string) string {
	t.Helper()
	var all []string
	in := api.ListStateMachineAliasesInput{StateMachineArn: arn, MaxResults: 2}
	for {
		page, err := svc.ListStateMachineAliases(t.Context(), &in)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page.StateMachineAliases {
			all = append(all, a.StateMachineAliasArn[strings.LastIndexByte(a.StateMachineAliasArn, ':')+1:])
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			return strings.Join(all, " ")
		}
	}
}

func aliases(t *testing.T, h *house, svc api.Service) {
	ctx := t.Context()
	arn := published(t, svc, name(t, "M"), 3)
	in := api.CreateStateMachineAliasInput{Name: "live", Description: ptr("what runs"), RoutingConfiguration: []api.RoutingConfigurationListItem{route(arn, 1, 100)}}
	made, err := svc.CreateStateMachineAlias(ctx, &in)
	if err != nil || made.StateMachineAliasArn != arn+":live" {
		t.Fatalf("made as %+v, %v", made, err)
	}
	if again, err := svc.CreateStateMachineAlias(ctx, &in); err != nil || *again != *made {
		t.Errorf("the second create answers %+v, %v", again, err)
	}
	in.Description = ptr("another")
	_, err = svc.CreateStateMachineAlias(ctx, &in)
	refused(t, err, api.CodeConflict, "Failed to create alias because an alias with the same name and a different routing configuration already exists.")
	in.Description, in.RoutingConfiguration = ptr("what runs"), []api.RoutingConfigurationListItem{route(arn, 2, 100)}
	_, err = svc.CreateStateMachineAlias(ctx, &in)
	refused(t, err, api.CodeConflict, "Failed to create alias")

	alias(t, svc, "canary", route(arn, 1, 90), route(arn, 2, 10))
	alias(t, svc, "next", route(arn, 2, 100))
	for target, want := range map[string]string{arn: "canary live next", arn + ":1": "canary live", arn + ":2": "canary next", arn + ":3": ""} {
		if got := aliasList(t, svc, target); got != want {
			t.Errorf("the aliases of %s are %q, want %q", target, got, want)
		}
	}
	_, err = svc.DeleteStateMachineVersion(ctx, &api.DeleteStateMachineVersionInput{StateMachineVersionArn: arn + ":1"})
	refused(t, err, api.CodeConflict, "Version to be deleted must not be referenced by an alias. Current list of aliases referencing this version: [canary, live]")

	if _, err := svc.UpdateStateMachineAlias(ctx, &api.UpdateStateMachineAliasInput{StateMachineAliasArn: arn + ":live", RoutingConfiguration: []api.RoutingConfigurationListItem{route(arn, 3, 0), route(arn, 2, 100)}}); err != nil {
		t.Fatal(err)
	}
	d, err := svc.DescribeStateMachineAlias(ctx, &api.DescribeStateMachineAliasInput{StateMachineAliasArn: arn + ":live"})
	if err != nil || *d.Description != "what runs" || *d.Name != "live" || *d.StateMachineAliasArn != arn+":live" || *d.UpdateDate < *d.CreationDate ||
		fmt.Sprint(d.RoutingConfiguration) != fmt.Sprint([]api.RoutingConfigurationListItem{route(arn, 3, 0), route(arn, 2, 100)}) {
		t.Errorf("after the update it is %+v, %v", d, err)
	}
	for range 2 { // the second time there is none
		if _, err := svc.DeleteStateMachineAlias(ctx, &api.DeleteStateMachineAliasInput{StateMachineAliasArn: arn + ":canary"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := svc.DeleteStateMachineVersion(ctx, &api.DeleteStateMachineVersionInput{StateMachineVersionArn: arn + ":1"}); err != nil {
		t.Error(err)
	}
	if got := aliasList(t, svc, arn); got != "live next" {
		t.Errorf("the aliases are %s", got)
	}
}

func badAliases(t *testing.T, h *house, svc api.Service) {
	ctx := t.Context()
	arn := published(t, svc, name(t, "M"), 2)
	other := published(t, svc, name(t, "N"), 1)
	plain := api.RoutingConfigurationListItem{StateMachineVersionArn: arn, Weight: 100}
	for _, c := range []struct {
		routes        []api.RoutingConfigurationListItem
		code, message string
	}{
		{[]api.RoutingConfigurationListItem{plain}, api.CodeValidation, "Routing configuration must contain state machine version ARNs. Received: [" + arn + "]"},
		{[]api.RoutingConfigurationListItem{route(arn, 1, 50), route(arn, 1, 50)}, api.CodeValidation, "Routing configuration must contain distinct state machine version ARNs. Received: [" + arn + ":1, " + arn + ":1]"},
		{[]api.RoutingConfigurationListItem{route(arn, 1, 50), route(other, 1, 50)}, api.CodeValidation, "of the same state machine"},
		{[]api.RoutingConfigurationListItem{route(arn, 1, 70), route(arn, 2, 29)}, api.CodeValidation, "Sum of routing configuration weights must equal 100. Received: [70, 29]"},
		{[]api.RoutingConfigurationListItem{route(arn, 3, 100)}, api.CodeResourceNotFound, "Request references a resource that does not exist."},
		{[]api.RoutingConfigurationListItem{route(arn+"x", 1, 100)}, api.CodeResourceNotFound, "Request references a resource that does not exist."},
	} {
		_, err := svc.CreateStateMachineAlias(ctx, &api.CreateStateMachineAliasInput{Name: "a", RoutingConfiguration: c.routes})
		refused(t, err, c.code, c.message)
	}
	if got := aliasList(t, svc, arn); got != "" {
		t.Errorf("something was made: %s", got)
	}
	_, err := svc.UpdateStateMachineAlias(ctx, &api.UpdateStateMachineAliasInput{StateMachineAliasArn: arn + ":a", Description: ptr("d")})
	refused(t, err, api.CodeResourceNotFound, "Request references a resource that does not exist.")
	_, err = svc.UpdateStateMachineAlias(ctx, &api.UpdateStateMachineAliasInput{StateMachineAliasArn: arn + ":a"})
	refused(t, err, api.CodeValidation, "must be specified")
	alias(t, svc, "a", route(arn, 1, 100))
	_, err = svc.UpdateStateMachineAlias(ctx, &api.UpdateStateMachineAliasInput{StateMachineAliasArn: arn + ":a", RoutingConfiguration: []api.RoutingConfigurationListItem{route(other, 1, 100)}})
	refused(t, err, api.CodeValidation, "of the alias's state machine")
	_, err = svc.DescribeStateMachineAlias(ctx, &api.DescribeStateMachineAliasInput{StateMachineAliasArn: arn + ":1"})
	refused(t, err, api.CodeInvalidArn, "Resource type not valid in this context")
	_, err = svc.StartExecution(ctx, &api.StartExecutionInput{StateMachineArn: arn + ":b"})
	refused(t, err, api.CodeStateMachineDoesNotExist, "State Machine Does Not Exist: '"+arn+":b'")
	_, err = svc.ListStateMachineAliases(ctx, &api.ListStateMachineAliasesInput{StateMachineArn: arn + ":9"})
	refused(t, err, api.CodeResourceNotFound, "Request references a resource that does not exist.")
	_, err = svc.ListStateMachineAliases(ctx, &api.ListStateMachineAliasesInput{StateMachineArn: arn + "x"})
	refused(t, err, api.CodeStateMachineDoesNotExist, arn+"x")
}

// TestVersionsAndAliasesAgree deletes versions while aliases to them are made:
// no alias leads to a version that is gone.
func TestVersionsAndAliasesAgree(t *testing.T) {
	const n = 40
	h := newHouse(t)
	svc, ctx := h.service, t.Context()
	arn := published(t, svc, "M", n)
	var group sync.WaitGroup
	for i := 1; i <= n; i++ {
		group.Go(func() {
			_, err := svc.DeleteStateMachineVersion(ctx, &api.DeleteStateMachineVersionInput{StateMachineVersionArn: fmt.Sprintf("%s:%d", arn, i)})
			if code := api.CodeOf(err); err != nil && code != api.CodeConflict {
				t.Error(err)
			}
		})
		group.Go(func() {
			_, err := svc.CreateStateMachineAlias(ctx, &api.CreateStateMachineAliasInput{Name: fmt.Sprint("a", i), RoutingConfiguration: []api.RoutingConfigurationListItem{route(arn, i, 100)}})
			if code := api.CodeOf(err); err != nil && code != api.CodeResourceNotFound {
				t.Error(err)
			}
		})
	}
	group.Wait()
	left := strings.Fields(versionList(t, svc, arn))
	names := strings.Fields(aliasList(t, svc, arn))
	if len(left) != len(names) {
		t.Errorf("%d versions are left, and %d aliases", len(left), len(names))
	}
	for _, name := range names {
		if !slices.Contains(left, strings.TrimPrefix(name, "a")) {
			t.Errorf("alias %s leads nowhere", name)
		}
	}
}

// TestLimits makes as many versions and aliases as there may be.
func TestLimits(t *testing.T) {
	h := newHouse(t)
	svc, ctx := h.service, t.Context()
	arn := published(t, svc, "M", 1000)
	redefine(t, svc, arn, numbered(1001))
	_, err := svc.PublishStateMachineVersion(ctx, &api.PublishStateMachineVersionInput{StateMachineArn: arn})
	refused(t, err, api.CodeServiceQuotaExceeded, "1000")
	if _, err := svc.DeleteStateMachineVersion(ctx, &api.DeleteStateMachineVersionInput{StateMachineVersionArn: arn + ":1"}); err != nil {
		t.Fatal(err)
	}
	if got := publish(t, svc, arn); got != arn+":1001" {
		t.Errorf("after one was deleted, the next is %s", got)
	}
	for i := range 100 {
		alias(t, svc, fmt.Sprint("a", i), route(arn, 2, 100))
	}
	_, err = svc.CreateStateMachineAlias(ctx, &api.CreateStateMachineAliasInput{Name: "more", RoutingConfiguration: []api.RoutingConfigurationListItem{route(arn, 2, 100)}})
	refused(t, err, api.CodeServiceQuotaExceeded, "100")
	if got := strings.Count(aliasList(t, svc, arn+":2"), "a"); got != 100 {
		t.Errorf("%d aliases are listed", got)
	}
	if _, err := svc.DeleteStateMachine(ctx, &api.DeleteStateMachineInput{StateMachineArn: arn}); err != nil {
		t.Fatal(err)
	}
	for range 20 { // a deletion goes by pages; each call takes one
		if _, err = svc.DescribeStateMachine(ctx, &api.DescribeStateMachineInput{StateMachineArn: arn}); err != nil {
			break
		}
		if _, err := svc.DeleteStateMachine(ctx, &api.DeleteStateMachineInput{StateMachineArn: arn}); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, err, api.CodeStateMachineDoesNotExist, arn)
}
