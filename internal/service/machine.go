package service

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/store"
)

// machine is the state machine that an ARN names.
func (s *Service) machine(ctx context.Context, text string) (*machineDoc, error) {
	arn, err := s.ours(text, api.StateMachineDoesNotExist, api.KindStateMachine, api.KindVersion, api.KindAlias)
	if err != nil {
		return nil, err
	}
	if arn.Label != "" {
		return nil, labelled()
	}
	if arn.Kind != api.KindStateMachine {
		return nil, api.StateMachineDoesNotExist(text)
	}
	m, err := s.Catalog.machine(ctx, s.tenant, arn.Machine)
	if errors.Is(err, store.ErrNotFound) {
		return nil, api.StateMachineDoesNotExist(text)
	}
	return m, err
}

// living is the state machine that an ARN names, unless it is being deleted.
func (s *Service) living(ctx context.Context, text string) (*machineDoc, error) {
	m, err := s.machine(ctx, text)
	if err == nil && m.Deleting {
		return nil, api.StateMachineDeleting(text)
	}
	return m, err
}

func labelled() *api.Error {
	e := api.Validation("This operation does not support labeled state machine ARNs.")
	e.Reason = api.ReasonLabeledArn
	return e
}

func (s *Service) machineKey(name string) store.DocKey {
	return store.DocKey{Tenant: s.tenant, Kind: kindMachine, Name: name}
}

func (s *Service) machineARN(name string) string {
	return s.arn(api.ARN{Kind: api.KindStateMachine, Machine: name})
}

// put writes a machine's document at the revision it was read, 0 for a new one.
func (s *Service) put(ctx context.Context, m *machineDoc, definitions ...store.Definition) error {
	m.Hash = m.Definition[:]
	body, err := encodeDoc(m)
	if err != nil {
		return err
	}
	defer s.Catalog.forget(machineName{s.Account, s.Region, m.Name})
	return s.commitDoc(ctx, store.Doc{DocKey: s.machineKey(m.Name), Body: body}, m.rev, definitions...)
}

// CreateStateMachine stores a definition under a name.
func (s *Service) CreateStateMachine(ctx context.Context, in *api.CreateStateMachineInput) (*api.CreateStateMachineOutput, error) {
	m, err := s.newMachine(in)
	if err != nil {
		return nil, err
	}
	for {
		was, err := s.Catalog.machine(ctx, s.tenant, in.Name)
		if err == nil {
			return s.createdBefore(was, m)
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		err = s.put(ctx, m, store.Definition{Hash: m.Definition, Body: []byte(in.Definition)})
		if err == nil {
			return &api.CreateStateMachineOutput{StateMachineArn: s.machineARN(m.Name), CreationDate: m.Created}, nil
		}
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrUnknown) {
			return nil, err
		}
		// Somebody was faster, or nobody knows: look again.
	}
}

// newMachine is the machine that an input asks for, when all of it makes sense.
func (s *Service) newMachine(in *api.CreateStateMachineInput) (*machineDoc, error) {
	kind := in.Type
	if kind == "" {
		kind = api.StateMachineTypeStandard
	}
	switch {
	case !api.ValidName(in.Name):
		return nil, api.InvalidName(in.Name)
	case in.VersionDescription != nil && !in.Publish:
		return nil, api.Validation("Version description can only be set when publish is true")
	case in.Publish:
		return nil, noVersions()
	}
	if err := checkRole(in.RoleArn); err != nil {
		return nil, err
	}
	if err := checkSettings(in.LoggingConfiguration, in.EncryptionConfiguration); err != nil {
		return nil, err
	}
	tags, err := mergeTags(nil, in.Tags, s.machineARN(in.Name))
	if err != nil {
		return nil, err
	}
	comment, err := s.Catalog.check(in.Definition, kind)
	if err != nil {
		return nil, err
	}
	now := s.now()
	return &machineDoc{
		Name: in.Name, Type: kind, Definition: hashOf(in.Definition), Role: in.RoleArn, Created: now, Updated: now, Comment: clipped(comment),
		Logging: in.LoggingConfiguration, Tracing: in.TracingConfiguration, Encryption: in.EncryptionConfiguration, Tags: tags,
	}, nil
}

func noVersions() *api.Error {
	return api.Validation("Versions are not offered by this server yet: leave publish out")
}

// clipped is a description within its limit of 256 characters.
func clipped(text string) string {
	if r := []rune(text); len(r) > 256 {
		return string(r[:256])
	}
	return text
}

// createdBefore answers a create of a name that is taken: the same machine once
// more is the same machine, anything else is refused. Role and tags do not
// count.
func (s *Service) createdBefore(was, m *machineDoc) (*api.CreateStateMachineOutput, error) {
	arn := s.machineARN(m.Name)
	if was.Deleting {
		return nil, api.StateMachineDeleting(arn)
	}
	same := was.Definition == m.Definition && was.Type == m.Type && reflect.DeepEqual(was.Logging, m.Logging) &&
		reflect.DeepEqual(was.Tracing, m.Tracing) && reflect.DeepEqual(was.Encryption, m.Encryption)
	if !same {
		return nil, api.StateMachineAlreadyExists(arn)
	}
	return &api.CreateStateMachineOutput{StateMachineArn: arn, CreationDate: was.Created}, nil
}

func checkRole(arn string) error {
	if !strings.HasPrefix(arn, "arn:") || strings.Count(arn, ":") < 5 {
		return api.InvalidArn(arn)
	}
	return nil
}

func checkSettings(logging *api.LoggingConfiguration, encryption *api.EncryptionConfiguration) error {
	if logging != nil {
		if len(logging.Destinations) > 1 {
			return api.Errorf(api.CodeInvalidLoggingConfiguration, "Invalid Logging Configuration: Must specify exactly one Log Destination.")
		}
		if logging.Level != "" && logging.Level != api.LogLevelOff && len(logging.Destinations) == 0 {
			return api.Errorf(api.CodeInvalidLoggingConfiguration, "Invalid Logging Configuration: Must specify exactly one Log Destination.")
		}
	}
	if encryption != nil && encryption.Type == api.EncryptionTypeAwsOwnedKey && (encryption.KmsKeyId != nil || encryption.KmsDataKeyReusePeriodSeconds != nil) {
		return api.Errorf(api.CodeInvalidEncryptionConfiguration, "Invalid Encryption Configuration: a key belongs to CUSTOMER_MANAGED_KMS_KEY alone.")
	}
	return nil
}

// DescribeStateMachine answers a state machine as it is now.
func (s *Service) DescribeStateMachine(ctx context.Context, in *api.DescribeStateMachineInput) (*api.DescribeStateMachineOutput, error) {
	m, err := s.machine(ctx, in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	text, err := s.Catalog.definition(ctx, m.Definition)
	if err != nil {
		return nil, err
	}
	status := api.StateMachineStatusActive
	if m.Deleting {
		status = api.StateMachineStatusDeleting
	}
	out := &api.DescribeStateMachineOutput{
		StateMachineArn: s.machineARN(m.Name), Name: m.Name, Status: status, RoleArn: m.Role, Type: m.Type, CreationDate: m.Created,
		LoggingConfiguration: logging(m.Logging), TracingConfiguration: tracing(m.Tracing), EncryptionConfiguration: encryption(m.Encryption),
		RevisionId: optional(m.Revision), Description: optional(m.Comment),
	}
	if in.IncludedData != api.IncludedDataMetadataOnly {
		out.Definition, out.VariableReferences = text, variables(text)
	}
	return out, nil
}

// What was not set is shown as AWS shows it.
func logging(c *api.LoggingConfiguration) *api.LoggingConfiguration {
	if c == nil {
		return &api.LoggingConfiguration{Level: api.LogLevelOff}
	}
	return c
}

func tracing(c *api.TracingConfiguration) *api.TracingConfiguration {
	if c == nil {
		return &api.TracingConfiguration{}
	}
	return c
}

func encryption(c *api.EncryptionConfiguration) *api.EncryptionConfiguration {
	if c == nil {
		return &api.EncryptionConfiguration{Type: api.EncryptionTypeAwsOwnedKey}
	}
	return c
}

// UpdateStateMachine replaces what is given.
func (s *Service) UpdateStateMachine(ctx context.Context, in *api.UpdateStateMachineInput) (*api.UpdateStateMachineOutput, error) {
	if in.Definition == nil && in.RoleArn == nil && in.LoggingConfiguration == nil && in.TracingConfiguration == nil && in.EncryptionConfiguration == nil {
		return nil, api.Errorf(api.CodeMissingRequiredParameter, "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified")
	}
	if in.Publish || in.VersionDescription != nil {
		return nil, noVersions()
	}
	if err := checkSettings(in.LoggingConfiguration, in.EncryptionConfiguration); err != nil {
		return nil, err
	}
	was, err := s.living(ctx, in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	m := *was
	var definitions []store.Definition
	if in.Definition != nil {
		comment, err := s.Catalog.check(*in.Definition, m.Type)
		if err != nil {
			return nil, err
		}
		m.Definition, m.Comment = hashOf(*in.Definition), clipped(comment)
		definitions = []store.Definition{{Hash: m.Definition, Body: []byte(*in.Definition)}}
	}
	if in.RoleArn != nil {
		if err := checkRole(*in.RoleArn); err != nil {
			return nil, err
		}
		m.Role = *in.RoleArn
	}
	if in.LoggingConfiguration != nil {
		m.Logging = in.LoggingConfiguration
	}
	if in.TracingConfiguration != nil {
		m.Tracing = in.TracingConfiguration
	}
	if in.EncryptionConfiguration != nil {
		m.Encryption = in.EncryptionConfiguration
	}
	m.Updated, m.Revision = s.now(), s.NewUUID()
	err = s.put(ctx, &m, definitions...)
	if errors.Is(err, store.ErrConflict) {
		return nil, api.Errorf(api.CodeConflict, "The state machine is being changed by another call. Try again.")
	}
	if err != nil {
		return nil, refuse(err)
	}
	return &api.UpdateStateMachineOutput{UpdateDate: m.Updated, RevisionId: &m.Revision}, nil
}

// DeleteStateMachine marks a state machine; see deletion.go for what follows.
func (s *Service) DeleteStateMachine(ctx context.Context, in *api.DeleteStateMachineInput) (*api.DeleteStateMachineOutput, error) {
	for {
		m, err := s.machine(ctx, in.StateMachineArn)
		if api.CodeOf(err) == api.CodeStateMachineDoesNotExist {
			return &api.DeleteStateMachineOutput{}, nil
		}
		if err != nil {
			return nil, err
		}
		marked := *m
		if !m.Deleting {
			marked.Deleting = true
			err = s.put(ctx, &marked)
			if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrUnknown) {
				continue
			}
			if err != nil {
				return nil, err
			}
			marked.rev++
		}
		return &api.DeleteStateMachineOutput{}, s.finishDeletion(ctx, &marked)
	}
}

// ListStateMachines lists state machines by name.
func (s *Service) ListStateMachines(ctx context.Context, in *api.ListStateMachinesInput) (*api.ListStateMachinesOutput, error) {
	p := s.page("ListStateMachines", in.MaxResults)
	after, err := p.after(in.NextToken)
	if err != nil {
		return nil, err
	}
	docs, err := s.Store.Docs(ctx, s.tenant, kindMachine, after, p.size+1)
	if err != nil {
		return nil, err
	}
	out := &api.ListStateMachinesOutput{StateMachines: []api.StateMachineListItem{}}
	for i, doc := range docs {
		if i == p.size {
			out.NextToken = p.next(docs[i-1].Name)
			break
		}
		m, err := decodeMachine(doc)
		if err != nil {
			return nil, err
		}
		out.StateMachines = append(out.StateMachines, api.StateMachineListItem{
			StateMachineArn: s.machineARN(m.Name), Name: m.Name, Type: m.Type, CreationDate: m.Created,
		})
	}
	return out, nil
}

// mergeTags sets tags upon others, at most 50 in all.
func mergeTags(tags, more []api.Tag, arn string) ([]api.Tag, error) {
	merged := slices.Clone(tags)
	for _, t := range more {
		if t.Key == nil {
			return nil, api.Validation("A tag has no key.")
		}
		same := func(have api.Tag) bool { return *have.Key == *t.Key }
		if i := slices.IndexFunc(merged, same); i >= 0 {
			merged[i] = t
		} else {
			merged = append(merged, t)
		}
	}
	if len(merged) > maxTags {
		return nil, &api.Error{Code: api.CodeTooManyTags, Message: "Too many tags: at most 50 on a resource", ResourceName: arn}
	}
	return merged, nil
}

const maxTags = 50
