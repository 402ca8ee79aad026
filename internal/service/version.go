package service

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/store"
)

// A version is a document of its own, written once. Which versions and aliases
// there are changes in one commit with their state machine's document, so that
// two callers never undo each other's assumptions: no alias leads to a version
// that is gone, no number is given twice.

// maxVersions is how many versions a state machine has.
const maxVersions = 1000

// versionDoc is a version as it is kept.
type versionDoc struct {
	Machine     string               `json:"machine"`
	Number      int                  `json:"number"`
	Type        api.StateMachineType `json:"type"`
	Description string               `json:"description,omitempty"`
	Created     api.Timestamp        `json:"created"`
	revision
}

// newestFirst turns a number into one that falls as it rises.
const newestFirst = 1<<53 - 1

// versionKey is the key of a version's document: the newest comes first in the
// order of names.
func versionKey(tenant, machine string, number int) store.DocKey {
	return store.DocKey{Tenant: tenant, Kind: kindVersion, Name: ownedName(machine, fmt.Sprintf("%016d", newestFirst-number))}
}

// ownedName is the name of a document that belongs to a state machine.
func ownedName(machine, name string) string { return machine + ":" + name }

// owned are the documents of one kind that belong to a state machine, those
// after `after` in the order of their names, at most limit.
func (c *Catalog) owned(ctx context.Context, tenant, kind, machine, after string, limit int) ([]store.Doc, error) {
	prefix := ownedName(machine, "")
	docs, err := c.store.Docs(ctx, tenant, kind, prefix+after, limit)
	for i := range docs {
		if !strings.HasPrefix(docs[i].Name, prefix) {
			return docs[:i], err
		}
	}
	return docs, err
}

// version is a version of a state machine, store.ErrNotFound where there is
// none of that number. It is shared and must not be changed.
func (c *Catalog) version(ctx context.Context, tenant, machine string, number int) (*versionDoc, error) {
	return find(ctx, c, versionKey(tenant, machine, number), decodeVersion)
}

func decodeVersion(doc store.Doc) (*versionDoc, error) {
	v := new(versionDoc)
	if err := decodeDoc(doc, v); err != nil {
		return nil, err
	}
	v.Definition = store.Hash(v.Hash)
	return v, nil
}

func (s *Service) versionARN(machine string, number int) string {
	return s.arn(api.ARN{Kind: api.KindVersion, Machine: machine, Version: number})
}

// amend changes a state machine's document, and with it what the change puts
// into the batch, in one commit: again when somebody else was faster. A change
// that wants no commit returns errUnchanged. The errors are store.ErrNotFound
// and those of the change.
func (s *Service) amend(ctx context.Context, name string, change func(*machineDoc, *store.Batch) error) error {
	for {
		was, err := s.Catalog.machine(ctx, s.tenant, name)
		if err != nil {
			return err
		}
		m, b := *was, store.Batch{}
		err = change(&m, &b)
		if errors.Is(err, errUnchanged) {
			return nil
		}
		if err != nil {
			return err
		}
		err = s.putWith(ctx, &m, &b)
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrUnknown) {
			return err
		}
	}
}

// errUnchanged: a change finds all as it should be.
var errUnchanged = errors.New("nothing to change")

// publish makes a version of a state machine as it is in m, unless there is one
// of this revision.
func (s *Service) publish(m *machineDoc, description *string, b *store.Batch) error {
	if m.Published != 0 {
		return nil
	}
	if m.Versions >= maxVersions {
		return api.Errorf(api.CodeServiceQuotaExceeded, "The state machine has %d versions already. Delete those that are no longer used.", maxVersions)
	}
	m.LastVersion++
	m.Versions++
	m.Published = m.LastVersion
	v := versionDoc{Machine: m.Name, Number: m.Published, Type: m.Type, Created: s.now(), revision: m.revision}
	if description != nil {
		v.Description = *description
	}
	v.Hash = v.Definition[:]
	body, err := encodeDoc(v)
	if err != nil {
		return err
	}
	key := versionKey(s.tenant, m.Name, m.Published)
	b.ExpectDocs = append(b.ExpectDocs, store.ExpectDoc{DocKey: key})
	b.Docs = append(b.Docs, store.Doc{DocKey: key, Rev: 1, Body: body})
	return nil
}

// PublishStateMachineVersion makes a version of a state machine.
func (s *Service) PublishStateMachineVersion(ctx context.Context, in *api.PublishStateMachineVersionInput) (*api.PublishStateMachineVersionOutput, error) {
	m, err := s.living(ctx, in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	number := 0
	err = s.amend(ctx, m.Name, func(m *machineDoc, b *store.Batch) error {
		if m.Deleting {
			return api.StateMachineDeleting(in.StateMachineArn)
		}
		if current := currentRevision(m); in.RevisionId != nil && *in.RevisionId != current {
			return api.Errorf(api.CodeConflict, "Failed to publish the State Machine version for revision %s. The current State Machine revision is %s.", *in.RevisionId, current)
		}
		if number = m.Published; number != 0 {
			return errUnchanged
		}
		err := s.publish(m, in.Description, b)
		number = m.Published
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, api.StateMachineDoesNotExist(in.StateMachineArn)
	}
	if err != nil {
		return nil, err
	}
	v, err := s.Catalog.version(ctx, s.tenant, m.Name, number)
	if errors.Is(err, store.ErrNotFound) {
		return nil, api.Errorf(api.CodeConflict, "The version was deleted by another call.")
	}
	if err != nil {
		return nil, err
	}
	return &api.PublishStateMachineVersionOutput{CreationDate: v.Created, StateMachineVersionArn: s.versionARN(m.Name, number)}, nil
}

// currentRevision is what callers call the revision of a state machine.
func currentRevision(m *machineDoc) string {
	if m.Revision == "" {
		return "INITIAL"
	}
	return m.Revision
}

// DeleteStateMachineVersion takes a version away.
func (s *Service) DeleteStateMachineVersion(ctx context.Context, in *api.DeleteStateMachineVersionInput) (*api.DeleteStateMachineVersionOutput, error) {
	arn, err := s.ours(in.StateMachineVersionArn, api.StateMachineDoesNotExist, api.KindVersion)
	if api.CodeOf(err) == api.CodeStateMachineDoesNotExist {
		return &api.DeleteStateMachineVersionOutput{}, nil
	}
	if err != nil {
		return nil, err
	}
	err = s.amend(ctx, arn.Machine, func(m *machineDoc, b *store.Batch) error {
		if _, err := s.Catalog.version(ctx, s.tenant, m.Name, arn.Version); err != nil {
			return err
		}
		aliases, err := s.aliases(ctx, m.Name, arn.Version)
		if err != nil {
			return err
		}
		if len(aliases) > 0 {
			names := make([]string, len(aliases))
			for i, a := range aliases {
				names[i] = a.Name
			}
			return api.Errorf(api.CodeConflict, "Version to be deleted must not be referenced by an alias. Current list of aliases referencing this version: [%s]", strings.Join(names, ", "))
		}
		if m.Versions--; m.Published == arn.Version {
			m.Published = 0
		}
		b.DropDocs = append(b.DropDocs, versionKey(s.tenant, m.Name, arn.Version))
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	return &api.DeleteStateMachineVersionOutput{}, nil
}

// ListStateMachineVersions lists versions, the newest first.
func (s *Service) ListStateMachineVersions(ctx context.Context, in *api.ListStateMachineVersionsInput) (*api.ListStateMachineVersionsOutput, error) {
	m, err := s.machine(ctx, in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	p := s.page("ListStateMachineVersions", in.MaxResults, m.Name)
	after, err := p.after(in.NextToken)
	if err != nil {
		return nil, err
	}
	docs, err := s.Catalog.owned(ctx, s.tenant, kindVersion, m.Name, after, p.size+1)
	if err != nil {
		return nil, err
	}
	out := &api.ListStateMachineVersionsOutput{StateMachineVersions: []api.StateMachineVersionListItem{}}
	for i, doc := range docs {
		if i == p.size {
			out.NextToken = p.next(strings.TrimPrefix(docs[i-1].Name, ownedName(m.Name, "")))
			break
		}
		v, err := decodeVersion(doc)
		if err != nil {
			return nil, err
		}
		out.StateMachineVersions = append(out.StateMachineVersions, api.StateMachineVersionListItem{
			StateMachineVersionArn: s.versionARN(v.Machine, v.Number), CreationDate: v.Created,
		})
	}
	return out, nil
}
