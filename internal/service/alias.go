package service

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/store"
)

// maxAliases is how many aliases a state machine has.
const maxAliases = 100

// aliasDoc is an alias as it is kept.
type aliasDoc struct {
	Machine     string        `json:"machine"`
	Name        string        `json:"name"`
	Description string        `json:"description,omitempty"`
	Created     api.Timestamp `json:"created"`
	Updated     api.Timestamp `json:"updated"`
	Routes      []route       `json:"routes"`

	rev uint64
}

// route is a version with its share of the starts.
type route struct {
	Version int   `json:"version"`
	Weight  int32 `json:"weight"` // of 100 over all routes
}

func aliasKey(tenant, machine, name string) store.DocKey {
	return store.DocKey{Tenant: tenant, Kind: kindAlias, Name: ownedName(machine, name)}
}

// alias is an alias of a state machine, store.ErrNotFound where there is none
// of that name. It is shared and must not be changed.
func (c *Catalog) alias(ctx context.Context, tenant, machine, name string) (*aliasDoc, error) {
	return find(ctx, c, aliasKey(tenant, machine, name), decodeAlias)
}

func decodeAlias(doc store.Doc) (*aliasDoc, error) {
	a := &aliasDoc{rev: doc.Rev}
	return a, decodeDoc(doc, a)
}

// pick draws the version that a start by the alias runs.
func (a *aliasDoc) pick(draw engine.Draw) (int, error) {
	if len(a.Routes) == 1 {
		return a.Routes[0].Version, nil
	}
	var chance [8]byte
	if err := draw(chance[:]); err != nil {
		return 0, err
	}
	at := int32(binary.BigEndian.Uint64(chance[:]) % 100)
	for _, r := range a.Routes {
		if at -= r.Weight; at < 0 {
			return r.Version, nil
		}
	}
	return 0, fmt.Errorf("alias %s of state machine %s: the weights of its routes make no 100", a.Name, a.Machine)
}

// aliases are a state machine's aliases that lead to a version, or all of them
// where number is 0.
func (s *Service) aliases(ctx context.Context, machine string, number int) ([]*aliasDoc, error) {
	docs, err := s.Catalog.owned(ctx, s.tenant, kindAlias, machine, "", maxAliases)
	if err != nil {
		return nil, err
	}
	var all []*aliasDoc
	for _, doc := range docs {
		a, err := decodeAlias(doc)
		if err != nil {
			return nil, err
		}
		if number == 0 || slices.ContainsFunc(a.Routes, func(r route) bool { return r.Version == number }) {
			all = append(all, a)
		}
	}
	return all, nil
}

func (s *Service) aliasARN(machine, name string) string {
	return s.arn(api.ARN{Kind: api.KindAlias, Machine: machine, Name: name})
}

// routes reads a routing: versions of one state machine, whose name it returns.
// Whether they are there is not asked.
func (s *Service) routes(items []api.RoutingConfigurationListItem) (machine string, routes []route, err error) {
	arns, weights, sum := make([]string, len(items)), make([]string, len(items)), int32(0)
	routes = make([]route, len(items))
	versions, machines := true, true
	for i, item := range items {
		arns[i], weights[i] = item.StateMachineVersionArn, fmt.Sprint(item.Weight)
		sum += item.Weight
		arn, err := s.ours(item.StateMachineVersionArn, api.ReferenceNotFound, api.KindStateMachine, api.KindVersion, api.KindAlias)
		if err != nil {
			return "", nil, err
		}
		if arn.Label != "" {
			return "", nil, labelled(labelledMachine)
		}
		versions = versions && arn.Kind == api.KindVersion
		machines = machines && (i == 0 || arn.Machine == machine)
		machine, routes[i] = arn.Machine, route{Version: arn.Version, Weight: item.Weight}
	}
	received := strings.Join(arns, ", ")
	switch {
	case !versions:
		return "", nil, api.InvalidRouting("Routing configuration must contain state machine version ARNs. Received: [%s]", received)
	case !machines:
		return "", nil, api.InvalidRouting("Routing configuration must contain version ARNs of the same state machine. Received: [%s]", received)
	case len(routes) == 2 && routes[0].Version == routes[1].Version:
		return "", nil, api.InvalidRouting("Routing configuration must contain distinct state machine version ARNs. Received: [%s]", received)
	case sum != 100:
		return "", nil, api.InvalidRouting("Sum of routing configuration weights must equal 100. Received: [%s]", strings.Join(weights, ", "))
	}
	return machine, routes, nil
}

// checkRoutes refuses routes to versions that are not there.
func (s *Service) checkRoutes(ctx context.Context, machine string, routes []route) error {
	for _, r := range routes {
		_, err := s.Catalog.version(ctx, s.tenant, machine, r.Version)
		if errors.Is(err, store.ErrNotFound) {
			return api.ReferenceNotFound(s.versionARN(machine, r.Version))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// putAlias adds an alias to a batch, at the revision it was read, 0 for a new
// one.
func (s *Service) putAlias(a *aliasDoc, b *store.Batch) error {
	body, err := encodeDoc(a)
	if err != nil {
		return err
	}
	key := aliasKey(s.tenant, a.Machine, a.Name)
	b.ExpectDocs = append(b.ExpectDocs, store.ExpectDoc{DocKey: key, Rev: a.rev})
	b.Docs = append(b.Docs, store.Doc{DocKey: key, Rev: a.rev + 1, Body: body})
	return nil
}

// CreateStateMachineAlias gives versions a name.
func (s *Service) CreateStateMachineAlias(ctx context.Context, in *api.CreateStateMachineAliasInput) (*api.CreateStateMachineAliasOutput, error) {
	if !api.ValidAlias(in.Name) {
		return nil, api.InvalidName(in.Name)
	}
	name, routes, err := s.routes(in.RoutingConfiguration)
	if err != nil {
		return nil, err
	}
	a := aliasDoc{Machine: name, Name: in.Name, Created: s.now(), Routes: routes}
	a.Updated = a.Created
	if in.Description != nil {
		a.Description = *in.Description
	}
	created := a.Created
	err = s.amend(ctx, name, func(m *machineDoc, b *store.Batch) error {
		if m.Deleting {
			return api.StateMachineDeleting(s.machineARN(name))
		}
		was, err := s.Catalog.alias(ctx, s.tenant, name, in.Name)
		if err == nil {
			created = was.Created
			return was.createdBefore(&a)
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := s.checkRoutes(ctx, name, routes); err != nil {
			return err
		}
		if m.Aliases >= maxAliases {
			return api.Errorf(api.CodeServiceQuotaExceeded, "The state machine has %d aliases already. Delete those that are no longer used.", maxAliases)
		}
		m.Aliases++
		return s.putAlias(&a, b)
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, api.ReferenceNotFound(in.RoutingConfiguration[0].StateMachineVersionArn)
	}
	if err != nil {
		return nil, err
	}
	return &api.CreateStateMachineAliasOutput{StateMachineAliasArn: s.aliasARN(name, in.Name), CreationDate: created}, nil
}

// createdBefore answers a create of a name that is taken: the same alias once
// more is the same alias, anything else is refused.
func (a *aliasDoc) createdBefore(asked *aliasDoc) error {
	if a.Description != asked.Description || !slices.Equal(a.Routes, asked.Routes) {
		return api.Errorf(api.CodeConflict, "Failed to create alias because an alias with the same name and a different routing configuration already exists.")
	}
	return errUnchanged
}

// DescribeStateMachineAlias answers where an alias leads.
func (s *Service) DescribeStateMachineAlias(ctx context.Context, in *api.DescribeStateMachineAliasInput) (*api.DescribeStateMachineAliasOutput, error) {
	arn, err := s.ours(in.StateMachineAliasArn, api.ReferenceNotFound, api.KindAlias)
	if err != nil {
		return nil, err
	}
	a, err := s.Catalog.alias(ctx, s.tenant, arn.Machine, arn.Name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, api.ReferenceNotFound(in.StateMachineAliasArn)
	}
	if err != nil {
		return nil, err
	}
	text, created, updated := s.aliasARN(a.Machine, a.Name), a.Created, a.Updated
	out := &api.DescribeStateMachineAliasOutput{
		StateMachineAliasArn: &text, Name: &arn.Name, Description: optional(a.Description), CreationDate: &created, UpdateDate: &updated,
	}
	for _, r := range a.Routes {
		out.RoutingConfiguration = append(out.RoutingConfiguration, api.RoutingConfigurationListItem{
			StateMachineVersionArn: s.versionARN(a.Machine, r.Version), Weight: r.Weight,
		})
	}
	return out, nil
}

// UpdateStateMachineAlias replaces what is given.
func (s *Service) UpdateStateMachineAlias(ctx context.Context, in *api.UpdateStateMachineAliasInput) (*api.UpdateStateMachineAliasOutput, error) {
	arn, err := s.ours(in.StateMachineAliasArn, api.ReferenceNotFound, api.KindAlias)
	if err != nil {
		return nil, err
	}
	if in.Description == nil && in.RoutingConfiguration == nil {
		e := api.Validation("Either the description or the RoutingConfiguration must be specified")
		e.Reason = api.ReasonMissingParameter
		return nil, e
	}
	var routes []route
	if in.RoutingConfiguration != nil {
		var machine string
		if machine, routes, err = s.routes(in.RoutingConfiguration); err != nil {
			return nil, err
		}
		if machine != arn.Machine {
			return nil, api.InvalidRouting("Routing configuration must contain version ARNs of the alias's state machine. Received: [%s]", in.RoutingConfiguration[0].StateMachineVersionArn)
		}
	}
	now := s.now()
	err = s.amend(ctx, arn.Machine, func(m *machineDoc, b *store.Batch) error {
		if m.Deleting {
			return api.StateMachineDeleting(s.machineARN(m.Name))
		}
		was, err := s.Catalog.alias(ctx, s.tenant, m.Name, arn.Name)
		if err != nil {
			return err
		}
		a := *was
		a.Updated = now
		if in.Description != nil {
			a.Description = *in.Description
		}
		if routes != nil {
			a.Routes = routes
		}
		if err := s.checkRoutes(ctx, m.Name, routes); err != nil {
			return err
		}
		return s.putAlias(&a, b)
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, api.ReferenceNotFound(in.StateMachineAliasArn)
	}
	if err != nil {
		return nil, err
	}
	return &api.UpdateStateMachineAliasOutput{UpdateDate: now}, nil
}

// DeleteStateMachineAlias takes an alias away.
func (s *Service) DeleteStateMachineAlias(ctx context.Context, in *api.DeleteStateMachineAliasInput) (*api.DeleteStateMachineAliasOutput, error) {
	arn, err := s.ours(in.StateMachineAliasArn, api.ReferenceNotFound, api.KindAlias)
	if api.CodeOf(err) == api.CodeResourceNotFound {
		return &api.DeleteStateMachineAliasOutput{}, nil
	}
	if err != nil {
		return nil, err
	}
	err = s.amend(ctx, arn.Machine, func(m *machineDoc, b *store.Batch) error {
		if _, err := s.Catalog.alias(ctx, s.tenant, m.Name, arn.Name); err != nil {
			return err
		}
		m.Aliases--
		b.DropDocs = append(b.DropDocs, aliasKey(s.tenant, m.Name, arn.Name))
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	return &api.DeleteStateMachineAliasOutput{}, nil
}

// ListStateMachineAliases lists aliases by name.
func (s *Service) ListStateMachineAliases(ctx context.Context, in *api.ListStateMachineAliasesInput) (*api.ListStateMachineAliasesOutput, error) {
	arn, err := s.machineOrVersion(ctx, in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	p := s.page("ListStateMachineAliases", in.MaxResults, arn.Machine, strconv.Itoa(arn.Version))
	after, err := p.after(in.NextToken)
	if err != nil {
		return nil, err
	}
	aliases, err := s.aliases(ctx, arn.Machine, arn.Version)
	if err != nil {
		return nil, err
	}
	out := &api.ListStateMachineAliasesOutput{StateMachineAliases: []api.StateMachineAliasListItem{}}
	for _, a := range aliases {
		if after != "" && a.Name <= after {
			continue
		}
		if n := len(out.StateMachineAliases); n == p.size {
			out.NextToken = p.next(after)
			break
		}
		out.StateMachineAliases = append(out.StateMachineAliases, api.StateMachineAliasListItem{
			StateMachineAliasArn: s.aliasARN(a.Machine, a.Name), CreationDate: a.Created,
		})
		after = a.Name
	}
	return out, nil
}

// machineOrVersion reads the ARN of a living state machine, or of a version of
// one.
func (s *Service) machineOrVersion(ctx context.Context, text string) (api.ARN, error) {
	arn, err := s.ours(text, api.StateMachineDoesNotExist, api.KindStateMachine, api.KindVersion)
	if err != nil {
		return arn, err
	}
	version := arn.Version
	arn.Kind, arn.Version = api.KindStateMachine, 0
	if _, err := s.living(ctx, arn.String()); err != nil || version == 0 {
		return arn, err
	}
	arn.Version = version
	if _, err = s.Catalog.version(ctx, s.tenant, arn.Machine, version); errors.Is(err, store.ErrNotFound) {
		return arn, api.ReferenceNotFound(text)
	}
	return arn, err
}
