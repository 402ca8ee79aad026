package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// The kinds of documents.
const (
	kindMachine  = "machine"
	kindVersion  = "version"
	kindAlias    = "alias"
	kindActivity = "activity"
)

// Catalog finds state machines, their versions and aliases. It is apart from
// the service because the engine, which the service stands on, asks it for the
// machines that nested executions name.
type Catalog struct {
	StrictAWS bool // definitions are taken in AWS's language alone, in JSON; set before the first use
	Mocked    bool // definitions may name what nobody serves here, since it can be mocked; set before the first use

	store    store.Store
	registry *integration.Registry

	mu      sync.Mutex
	read    map[store.DocKey]decoded // at most keepDocs of them
	logs    map[origin]logSetting    // of what runs, at most keepDocs
	changes uint64                   // how often a state machine was changed
}

// decoded is a document that was read before.
type decoded struct {
	rev  uint64
	body []byte // a document made anew under an old name has an old revision
	doc  any
}

// keepDocs bounds the decoded documents that are kept.
const keepDocs = 4096

// NewCatalog is the catalog of a store, for tasks that the registry serves.
func NewCatalog(st store.Store, registry *integration.Registry) *Catalog {
	return &Catalog{store: st, registry: registry, read: make(map[store.DocKey]decoded), logs: make(map[origin]logSetting)}
}

// revision is what an update of a state machine may change, and what a version
// keeps as it was.
type revision struct {
	Definition store.Hash                   `json:"-"`
	Hash       []byte                       `json:"definition"` // Definition
	Role       string                       `json:"role"`
	Updated    api.Timestamp                `json:"updated"`
	Revision   string                       `json:"revision,omitempty"` // "" while it was never updated
	Logging    *api.LoggingConfiguration    `json:"logging,omitempty"`
	Tracing    *api.TracingConfiguration    `json:"tracing,omitempty"`
	Encryption *api.EncryptionConfiguration `json:"encryption,omitempty"`
}

// same says whether two revisions differ in nothing but their names.
func (r *revision) same(o *revision) bool {
	return r.Definition == o.Definition && r.Role == o.Role && r.sameSettings(o)
}

func (r *revision) sameSettings(o *revision) bool {
	return reflect.DeepEqual(logging(r.Logging), logging(o.Logging)) && reflect.DeepEqual(tracing(r.Tracing), tracing(o.Tracing)) &&
		reflect.DeepEqual(encryption(r.Encryption), encryption(o.Encryption))
}

// machineDoc is a state machine as it is kept.
type machineDoc struct {
	Name    string               `json:"name"`
	Type    api.StateMachineType `json:"type"`
	Created api.Timestamp        `json:"created"`
	revision
	Tags     []api.Tag `json:"tags,omitempty"`
	Deleting bool      `json:"deleting,omitempty"`

	Publish     bool   `json:"publish,omitempty"` // as it was created with, and so is Description
	Description string `json:"versionDescription,omitempty"`
	Published   int    `json:"published,omitempty"`   // the version that is this revision, 0 for none
	LastVersion int    `json:"lastVersion,omitempty"` // the highest number that was given to a version
	Versions    int    `json:"versions,omitempty"`    // how many there are
	Aliases     int    `json:"aliases,omitempty"`     // how many there are

	rev uint64
}

const docEncoding = 1

// encodeDoc is a document's body: the number of its encoding, then JSON.
func encodeDoc(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return append([]byte{docEncoding}, b...), nil
}

func decodeDoc(doc store.Doc, v any) error {
	if len(doc.Body) == 0 || doc.Body[0] != docEncoding {
		return fmt.Errorf("%s %q is in an encoding that this version does not know", doc.Kind, doc.Name)
	}
	if err := json.Unmarshal(doc.Body[1:], v); err != nil {
		return fmt.Errorf("%s %q: %w", doc.Kind, doc.Name, err)
	}
	return nil
}

// machine is the state machine of that name, store.ErrNotFound where there is
// none. What it returns is shared and must not be changed.
func (c *Catalog) machine(ctx context.Context, tenant, name string) (*machineDoc, error) {
	return find(ctx, c, store.DocKey{Tenant: tenant, Kind: kindMachine, Name: name}, decodeMachine)
}

// find is the document under a key, decoded once. It is shared and must not be
// changed.
func find[T any](ctx context.Context, c *Catalog, key store.DocKey, decode func(store.Doc) (*T, error)) (*T, error) {
	doc, err := c.store.Doc(ctx, key)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	was := c.read[key]
	c.mu.Unlock()
	if was.rev == doc.Rev && bytes.Equal(was.body, doc.Body) {
		return was.doc.(*T), nil
	}
	v, err := decode(doc)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.read) >= keepDocs {
		clear(c.read)
	}
	c.read[key] = decoded{rev: doc.Rev, body: doc.Body, doc: v}
	return v, nil
}

func decodeMachine(doc store.Doc) (*machineDoc, error) {
	m := &machineDoc{rev: doc.Rev}
	if err := decodeDoc(doc, m); err != nil {
		return nil, err
	}
	m.Definition = store.Hash(m.Hash)
	return m, nil
}

// errDeleting: the state machine that was asked for is being deleted.
var errDeleting = errors.New("state machine is being deleted")

// starting is what a start by an ARN needs: the state machine as it is now, a
// version, or the version that an alias leads to this time, drawn by the
// weights of its routes. The errors are store.ErrNotFound and errDeleting.
func (c *Catalog) starting(ctx context.Context, arn api.ARN, draw engine.Draw) (engine.Machine, error) {
	tenant := engine.Tenant(arn.Account, arn.Region)
	m, err := c.machine(ctx, tenant, arn.Machine)
	if err != nil {
		return engine.Machine{}, err
	}
	if m.Deleting {
		return engine.Machine{}, errDeleting
	}
	started := engine.Machine{
		Account: arn.Account, Region: arn.Region, Name: m.Name, Definition: m.Definition,
		RoleARN: m.Role, Express: m.Type == api.StateMachineTypeExpress,
	}
	number := arn.Version
	if arn.Kind == api.KindAlias {
		a, err := c.alias(ctx, tenant, arn.Machine, arn.Name)
		if err != nil {
			return engine.Machine{}, err
		}
		if number, err = a.pick(draw); err != nil {
			return engine.Machine{}, err
		}
		started.Alias = arn.String()
	}
	if number != 0 {
		v, err := c.version(ctx, tenant, arn.Machine, number)
		if err != nil {
			return engine.Machine{}, err
		}
		arn.Kind, arn.Version = api.KindVersion, number
		started.Version, started.Definition, started.RoleARN = arn.String(), v.Definition, v.Role
	}
	return started, nil
}

// origin is what an execution was started by.
type origin struct {
	account, region, machine string
	version                  string // ARN of a version, or ""
}

// originOf is an execution's origin. A map run and its children have that of
// the execution whose they are.
func originOf(start *machine.Start) origin {
	name, _, _ := strings.Cut(start.Machine, "/")
	return origin{start.Account, start.Region, name, start.Version}
}

// revision is what an origin is: the version as it was published, or the state
// machine as it is now. The error is store.ErrNotFound where it is gone.
func (c *Catalog) revision(ctx context.Context, o origin) (*revision, error) {
	tenant := engine.Tenant(o.account, o.region)
	if o.version != "" {
		arn, err := api.ParseARN(o.version)
		if err != nil {
			return nil, err
		}
		v, err := c.version(ctx, tenant, arn.Machine, arn.Version)
		if err != nil {
			return nil, err
		}
		return &v.revision, nil
	}
	m, err := c.machine(ctx, tenant, o.machine)
	if err != nil {
		return nil, err
	}
	return &m.revision, nil
}

// Machine finds the state machine that a nested execution names, as engine's
// Config.Machines.
func (c *Catalog) Machine(ctx context.Context, account, region, text string, draw engine.Draw) (engine.Machine, error) {
	arn, err := api.ParseARN(text)
	var refused *api.Error
	if errors.As(err, &refused) {
		return engine.Machine{}, nestedError(refused, draw)
	}
	if !startable(arn) || arn.Account != account || arn.Region != region {
		return engine.Machine{}, nestedError(api.StateMachineDoesNotExist(text), draw)
	}
	m, err := c.starting(ctx, arn, draw)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return m, nestedError(api.StateMachineDoesNotExist(text), draw)
	case errors.Is(err, errDeleting):
		return m, nestedError(api.StateMachineDeleting(text), draw)
	}
	return m, err
}

// nestedError is what a Task sees of a start that is refused.
func nestedError(e *api.Error, draw engine.Draw) error {
	var chance [16]byte
	_ = draw(chance[:]) // an id of zeros does no harm
	cause := integration.ServiceError{
		Service: "AWSStepFunctions", Status: e.HTTPStatus(), Code: e.Code, Message: e.Message, RequestID: integration.UUID(chance, 4),
	}.Cause()
	return integration.NewError("StepFunctions."+e.Code+"Exception", cause, integration.EffectNone)
}

// startable says whether an ARN is of a kind that can be started.
func startable(arn api.ARN) bool {
	return arn.Label == "" && (arn.Kind == api.KindStateMachine || arn.Kind == api.KindVersion || arn.Kind == api.KindAlias)
}

// Gone says whether an activity is known not to be there, as engine's
// Config.Gone. Where the store does not answer at once, nobody knows.
func (c *Catalog) Gone(text string) bool {
	arn, err := api.ParseARN(text)
	if err != nil {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), goneTime)
	defer cancel()
	_, err = c.store.Doc(ctx, store.DocKey{Tenant: engine.Tenant(arn.Account, arn.Region), Kind: kindActivity, Name: arn.Name})
	return errors.Is(err, store.ErrNotFound)
}

// goneTime is how long a turn waits for the store to tell of an activity.
const goneTime = time.Second
