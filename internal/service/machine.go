package service

import (
	"context"
	"errors"
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
		return nil, labelled(labelledMachine)
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

// What operations say that take no ARN of a map run's children or of their
// machine.
const (
	labelledMachine   = "This operation does not support labeled state machine ARNs."
	labelledExecution = "Labeled Execution ARNs are not supported for this API"
)

func labelled(message string) *api.Error {
	e := api.Validation("%s", message)
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
func (s *Service) put(ctx context.Context, m *machineDoc) error {
	return s.putWith(ctx, m, &store.Batch{})
}

// putWith writes a machine's document, as put does, with all that is in a batch.
// A new machine's revisions count from the time on, so that none is taken for
// one of a machine that had the name before.
func (s *Service) putWith(ctx context.Context, m *machineDoc, b *store.Batch) error {
	m.Hash = m.Definition[:]
	body, err := encodeDoc(m)
	if err != nil {
		return err
	}
	key, rev := s.machineKey(m.Name), m.rev+1
	if m.rev == 0 {
		rev = uint64(m.Created)
	}
	defer s.Catalog.forget(origin{account: s.Account, region: s.Region, machine: m.Name})
	b.ExpectDocs = append(b.ExpectDocs, store.ExpectDoc{DocKey: key, Rev: m.rev})
	b.Docs = append(b.Docs, store.Doc{DocKey: key, Rev: rev, Body: body})
	return s.Store.Commit(ctx, b)
}

// CreateStateMachine stores a definition under a name.
func (s *Service) CreateStateMachine(ctx context.Context, in *api.CreateStateMachineInput) (*api.CreateStateMachineOutput, error) {
	m, err := s.newMachine(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := s.checkLogGroup(ctx, in.LoggingConfiguration); err != nil {
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
		made, b := *m, store.Batch{Definitions: []store.Definition{{Hash: m.Definition, Body: []byte(in.Definition)}}}
		if in.Publish {
			if err := s.publish(&made, in.VersionDescription, &b); err != nil {
				return nil, err
			}
		}
		err = s.putWith(ctx, &made, &b)
		if err == nil {
			return s.created(&made), nil
		}
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrUnknown) {
			return nil, err
		}
		// Somebody was faster, or nobody knows: look again.
	}
}

// created is the answer to a create.
func (s *Service) created(m *machineDoc) *api.CreateStateMachineOutput {
	out := &api.CreateStateMachineOutput{StateMachineArn: s.machineARN(m.Name), CreationDate: m.Created}
	if m.Publish {
		version := s.versionARN(m.Name, 1)
		out.StateMachineVersionArn = &version
	}
	return out
}

// newMachine is the machine that an input asks for, when all of it makes sense.
func (s *Service) newMachine(ctx context.Context, in *api.CreateStateMachineInput) (*machineDoc, error) {
	kind := in.Type
	if kind == "" {
		kind = api.StateMachineTypeStandard
	}
	switch {
	case !api.ValidName(in.Name):
		return nil, api.InvalidName(in.Name)
	case in.VersionDescription != nil && !in.Publish:
		return nil, noDescription()
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
	if err := s.check(ctx, in.Name, in.Definition, kind); err != nil {
		return nil, err
	}
	m := &machineDoc{Name: in.Name, Type: kind, Created: s.now(), Tags: tags, Publish: in.Publish}
	m.revision = revision{
		Definition: hashOf(in.Definition), Role: in.RoleArn, Updated: m.Created,
		Logging: in.LoggingConfiguration, Tracing: in.TracingConfiguration, Encryption: in.EncryptionConfiguration,
	}
	if in.VersionDescription != nil {
		m.Description = *in.VersionDescription
	}
	return m, nil
}

func noDescription() *api.Error {
	return api.Validation("Version description can only be set when publish is true")
}

// createdBefore answers a create of a name that is taken: the same machine once
// more is the same machine, anything else is refused. Role and tags do not
// count.
func (s *Service) createdBefore(was, m *machineDoc) (*api.CreateStateMachineOutput, error) {
	arn := s.machineARN(m.Name)
	if was.Deleting {
		return nil, api.StateMachineDeleting(arn)
	}
	same := was.Definition == m.Definition && was.Type == m.Type && was.sameSettings(&m.revision) &&
		was.Publish == m.Publish && was.Description == m.Description
	if !same {
		return nil, api.StateMachineAlreadyExists(arn)
	}
	return s.created(was), nil
}

func checkRole(arn string) error {
	if !strings.HasPrefix(arn, "arn:") || strings.Count(arn, ":") < 5 {
		return api.InvalidArn(arn)
	}
	return nil
}

// DescribeStateMachine answers a state machine as it is now, or a version.
func (s *Service) DescribeStateMachine(ctx context.Context, in *api.DescribeStateMachineInput) (*api.DescribeStateMachineOutput, error) {
	arn, err := s.ours(in.StateMachineArn, api.StateMachineDoesNotExist, api.KindStateMachine, api.KindVersion, api.KindAlias)
	if err != nil {
		return nil, err
	}
	var out *api.DescribeStateMachineOutput
	var r *revision
	if arn.Kind == api.KindVersion {
		out, r, err = s.describeVersion(ctx, arn)
	} else {
		out, r, err = s.describeMachine(ctx, in.StateMachineArn)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, api.StateMachineDoesNotExist(in.StateMachineArn)
	}
	if err != nil {
		return nil, err
	}
	out.RoleArn, out.RevisionId = r.Role, optional(r.Revision)
	out.LoggingConfiguration, out.TracingConfiguration, out.EncryptionConfiguration = logging(r.Logging), tracing(r.Tracing), encryption(r.Encryption)
	if in.IncludedData != api.IncludedDataMetadataOnly {
		if out.Definition, err = s.Catalog.definition(ctx, r.Definition); err != nil {
			return nil, err
		}
		out.VariableReferences = variables(out.Definition)
	}
	return out, nil
}

// describeMachine begins the description of a state machine.
func (s *Service) describeMachine(ctx context.Context, text string) (*api.DescribeStateMachineOutput, *revision, error) {
	m, err := s.machine(ctx, text)
	if err != nil {
		return nil, nil, err
	}
	return &api.DescribeStateMachineOutput{
		StateMachineArn: s.machineARN(m.Name), Name: m.Name, Status: m.status(), Type: m.Type, CreationDate: m.Created,
	}, &m.revision, nil
}

// describeVersion begins the description of a version.
func (s *Service) describeVersion(ctx context.Context, arn api.ARN) (*api.DescribeStateMachineOutput, *revision, error) {
	m, err := s.Catalog.machine(ctx, s.tenant, arn.Machine)
	if err != nil {
		return nil, nil, err
	}
	v, err := s.Catalog.version(ctx, s.tenant, arn.Machine, arn.Version)
	if err != nil {
		return nil, nil, err
	}
	return &api.DescribeStateMachineOutput{
		StateMachineArn: s.versionARN(v.Machine, v.Number), Name: v.Machine, Status: m.status(), Type: v.Type, CreationDate: v.Created,
		Description: optional(v.Description),
	}, &v.revision, nil
}

func (m *machineDoc) status() api.StateMachineStatus {
	if m.Deleting {
		return api.StateMachineStatusDeleting
	}
	return api.StateMachineStatusActive
}

// UpdateStateMachine replaces what is given.
func (s *Service) UpdateStateMachine(ctx context.Context, in *api.UpdateStateMachineInput) (*api.UpdateStateMachineOutput, error) {
	if in.Definition == nil && in.RoleArn == nil && in.LoggingConfiguration == nil && in.TracingConfiguration == nil && in.EncryptionConfiguration == nil {
		return nil, api.Errorf(api.CodeMissingRequiredParameter, "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified")
	}
	if in.VersionDescription != nil && !in.Publish {
		return nil, noDescription()
	}
	if err := checkSettings(in.LoggingConfiguration, in.EncryptionConfiguration); err != nil {
		return nil, err
	}
	was, err := s.living(ctx, in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	m, b := *was, store.Batch{}
	if err := s.change(ctx, &m, in, &b); err != nil {
		return nil, err
	}
	if err := s.checkLogGroup(ctx, in.LoggingConfiguration); err != nil {
		return nil, err
	}
	if !m.same(&was.revision) {
		m.Updated, m.Revision, m.Published = s.now(), s.NewUUID(), 0
	}
	if in.Publish {
		if err := s.publish(&m, in.VersionDescription, &b); err != nil {
			return nil, err
		}
	}
	if m.Revision != was.Revision || m.Published != was.Published {
		err = s.putWith(ctx, &m, &b)
	}
	if errors.Is(err, store.ErrConflict) {
		return nil, api.Errorf(api.CodeConflict, "The state machine is being changed by another call. Try again.")
	}
	if err != nil {
		return nil, refuse(err)
	}
	out := &api.UpdateStateMachineOutput{UpdateDate: m.Updated, RevisionId: optional(m.Revision)}
	if in.Publish {
		version := s.versionARN(m.Name, m.Published)
		out.StateMachineVersionArn = &version
	}
	return out, nil
}

// change puts into m what an update gives, and a new definition's text into b.
func (s *Service) change(ctx context.Context, m *machineDoc, in *api.UpdateStateMachineInput, b *store.Batch) error {
	if in.Definition != nil {
		if err := s.check(ctx, m.Name, *in.Definition, m.Type); err != nil {
			return err
		}
		m.Definition = hashOf(*in.Definition)
		b.Definitions = []store.Definition{{Hash: m.Definition, Body: []byte(*in.Definition)}}
	}
	if in.RoleArn != nil {
		if err := checkRole(*in.RoleArn); err != nil {
			return err
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
	return nil
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
		return &api.DeleteStateMachineOutput{}, s.finishDeletion(ctx, &marked, 1)
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
