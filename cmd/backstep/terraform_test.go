package main

import (
	"errors"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// TestTerraform makes the calls that Terraform's AWS provider makes for its
// resources, in its order: it plans, creates, reads, changes, reads again and
// destroys. What a read must find is what keeps a plan empty.
func TestTerraform(t *testing.T) {
	t.Parallel()
	n := serveChild(t, "")
	s := &sdk{newClient(n, "any", "any"), t.Context(), nil}
	t.Run("aws_sfn_state_machine and aws_sfn_alias", s.terraformMachine)
	t.Run("aws_sfn_activity", s.terraformActivity)
}

const (
	planned = `{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}`
	changed = `{"StartAt":"P","States":{"P":{"Type":"Pass","Result":2,"End":true}}}`
)

func must[T any](t *testing.T, out T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// machineState is what the provider keeps of a state machine.
type machineState struct {
	*sfn.DescribeStateMachineOutput
	version string
	tags    map[string]string
}

// readMachine is the provider's read of a state machine.
func (s *sdk) readMachine(t *testing.T, arn *string) machineState {
	t.Helper()
	described, err := s.DescribeStateMachine(s.ctx, &sfn.DescribeStateMachineInput{StateMachineArn: arn})
	state := machineState{DescribeStateMachineOutput: must(t, described, err)}
	versions, err := s.ListStateMachineVersions(s.ctx, &sfn.ListStateMachineVersionsInput{StateMachineArn: arn})
	if v := must(t, versions, err).StateMachineVersions; len(v) > 0 {
		state.version = aws.ToString(v[0].StateMachineVersionArn)
	}
	state.tags = s.readTags(t, arn)
	return state
}

func (s *sdk) readTags(t *testing.T, arn *string) map[string]string {
	t.Helper()
	listed, err := s.ListTagsForResource(s.ctx, &sfn.ListTagsForResourceInput{ResourceArn: arn})
	tags := map[string]string{}
	for _, tag := range must(t, listed, err).Tags {
		tags[*tag.Key] = *tag.Value
	}
	return tags
}

func (s *sdk) plan(t *testing.T, definition string) {
	t.Helper()
	valid, err := s.ValidateStateMachineDefinition(s.ctx, &sfn.ValidateStateMachineDefinitionInput{Definition: &definition, Type: types.StateMachineTypeStandard})
	if must(t, valid, err).Result != types.ValidateStateMachineDefinitionResultCodeOk {
		t.Fatalf("the plan is refused: %+v", valid.Diagnostics)
	}
}

func (s *sdk) terraformMachine(t *testing.T) {
	s.plan(t, planned)
	created, err := s.CreateStateMachine(s.ctx, &sfn.CreateStateMachineInput{
		Name: aws.String("shop"), Definition: aws.String(planned), RoleArn: aws.String(role), Type: types.StateMachineTypeStandard, Publish: true,
		VersionDescription: aws.String(""), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("a")}, {Key: aws.String("env"), Value: aws.String("test")}},
		LoggingConfiguration: &types.LoggingConfiguration{Level: types.LogLevelOff}, TracingConfiguration: &types.TracingConfiguration{},
	})
	arn := must(t, created, err).StateMachineArn
	first := s.readMachine(t, arn)
	if *first.Definition != planned || *first.RoleArn != role || *first.Name != "shop" || first.Type != types.StateMachineTypeStandard || first.Description != nil ||
		first.Status != types.StateMachineStatusActive || first.version != *arn+":1" || first.tags["team"] != "a" || first.tags["env"] != "test" ||
		first.LoggingConfiguration.Level != types.LogLevelOff || first.TracingConfiguration.Enabled || first.EncryptionConfiguration.Type != types.EncryptionTypeAwsOwnedKey {
		t.Errorf("after the create it reads %+v", first)
	}
	alias := s.terraformAlias(t, first)

	_, err = s.UntagResource(s.ctx, &sfn.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"env"}})
	must(t, 0, err)
	_, err = s.TagResource(s.ctx, &sfn.TagResourceInput{ResourceArn: arn, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("b")}}})
	must(t, 0, err)
	s.plan(t, changed)
	const newRole = "arn:aws:iam::123456789012:role/other"
	_, err = s.UpdateStateMachine(s.ctx, &sfn.UpdateStateMachineInput{
		StateMachineArn: arn, Definition: aws.String(changed), RoleArn: aws.String(newRole), Publish: true, VersionDescription: aws.String(""),
		TracingConfiguration: &types.TracingConfiguration{Enabled: true},
	})
	must(t, 0, err)
	second := s.readMachine(t, arn)
	if *second.Definition != changed || *second.RoleArn != newRole || !second.TracingConfiguration.Enabled || second.RevisionId == nil ||
		second.version != *arn+":2" || len(second.tags) != 1 || second.tags["team"] != "b" {
		t.Errorf("after the change it reads %+v", second)
	}
	s.terraformAliasMoves(t, alias, second)

	_, err = s.DeleteStateMachineAlias(s.ctx, &sfn.DeleteStateMachineAliasInput{StateMachineAliasArn: alias})
	must(t, 0, err)
	_, err = s.DeleteStateMachine(s.ctx, &sfn.DeleteStateMachineInput{StateMachineArn: arn})
	must(t, 0, err)
	await(t, "the end of the deletion", func() bool {
		_, err := s.DescribeStateMachine(s.ctx, &sfn.DescribeStateMachineInput{StateMachineArn: arn})
		var gone *types.StateMachineDoesNotExist
		if err != nil && !errors.As(err, &gone) {
			t.Fatal(err)
		}
		return err != nil
	})
}

// terraformAlias creates an alias to a state machine's version and reads it.
func (s *sdk) terraformAlias(t *testing.T, machine machineState) *string {
	t.Helper()
	routing := []types.RoutingConfigurationListItem{{StateMachineVersionArn: &machine.version, Weight: 100}}
	created, err := s.CreateStateMachineAlias(s.ctx, &sfn.CreateStateMachineAliasInput{Name: aws.String("live"), Description: aws.String(""), RoutingConfiguration: routing})
	arn := must(t, created, err).StateMachineAliasArn
	s.readAlias(t, arn, "", machine.version)
	return arn
}

func (s *sdk) terraformAliasMoves(t *testing.T, arn *string, machine machineState) {
	t.Helper()
	routing := []types.RoutingConfigurationListItem{{StateMachineVersionArn: &machine.version, Weight: 100}}
	_, err := s.UpdateStateMachineAlias(s.ctx, &sfn.UpdateStateMachineAliasInput{StateMachineAliasArn: arn, Description: aws.String("moved"), RoutingConfiguration: routing})
	must(t, 0, err)
	s.readAlias(t, arn, "moved", machine.version)
}

func (s *sdk) readAlias(t *testing.T, arn *string, description, version string) {
	t.Helper()
	out, err := s.DescribeStateMachineAlias(s.ctx, &sfn.DescribeStateMachineAliasInput{StateMachineAliasArn: arn})
	same := func(r types.RoutingConfigurationListItem) bool {
		return *r.StateMachineVersionArn == version && r.Weight == 100
	}
	if out = must(t, out, err); *out.Name != "live" || aws.ToString(out.Description) != description || len(out.RoutingConfiguration) != 1 || !slices.ContainsFunc(out.RoutingConfiguration, same) {
		t.Errorf("the alias reads %+v", out)
	}
}

func (s *sdk) terraformActivity(t *testing.T) {
	created, err := s.CreateActivity(s.ctx, &sfn.CreateActivityInput{Name: aws.String("packers"), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("a")}}})
	arn := must(t, created, err).ActivityArn
	read, err := s.DescribeActivity(s.ctx, &sfn.DescribeActivityInput{ActivityArn: arn})
	if read = must(t, read, err); *read.Name != "packers" || read.CreationDate == nil || read.EncryptionConfiguration.Type != types.EncryptionTypeAwsOwnedKey {
		t.Errorf("the activity reads %+v", read)
	}
	_, err = s.TagResource(s.ctx, &sfn.TagResourceInput{ResourceArn: arn, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("b")}}})
	must(t, 0, err)
	if tags := s.readTags(t, arn); len(tags) != 1 || tags["team"] != "b" {
		t.Errorf("the tags read %v", tags)
	}
	_, err = s.DeleteActivity(s.ctx, &sfn.DeleteActivityInput{ActivityArn: arn})
	must(t, 0, err)
	_, err = s.DescribeActivity(s.ctx, &sfn.DescribeActivityInput{ActivityArn: arn})
	var gone *types.ActivityDoesNotExist
	if !errors.As(err, &gone) {
		t.Errorf("after the destroy it reads %v", err)
	}
}
