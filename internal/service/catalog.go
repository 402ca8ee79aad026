package service

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/store"
)

// The kinds of documents.
const (
	kindMachine  = "machine"
	kindActivity = "activity"
)

// Catalog finds state machines. It is apart from the service because the
// engine, which the service stands on, asks it for the machines that nested
// executions name.
type Catalog struct {
	StrictAWS bool // definitions are taken in JSON alone; set before the first use

	store    store.Store
	registry *integration.Registry

	mu   sync.Mutex
	read map[store.DocKey]*machineDoc // decoded, at most keepDocs of them
	logs map[machineName]logSetting   // of the machines whose executions run, at most keepDocs
}

// keepDocs bounds the decoded documents that are kept.
const keepDocs = 4096

// NewCatalog is the catalog of a store, for tasks that the registry serves.
func NewCatalog(st store.Store, registry *integration.Registry) *Catalog {
	return &Catalog{store: st, registry: registry, read: make(map[store.DocKey]*machineDoc), logs: make(map[machineName]logSetting)}
}

// machineDoc is a state machine as it is kept.
type machineDoc struct {
	Name       string                       `json:"name"`
	Type       api.StateMachineType         `json:"type"`
	Definition store.Hash                   `json:"-"`
	Hash       []byte                       `json:"definition"` // Definition
	Role       string                       `json:"role"`
	Created    api.Timestamp                `json:"created"`
	Updated    api.Timestamp                `json:"updated"`
	Revision   string                       `json:"revision,omitempty"` // "" while it was never updated
	Comment    string                       `json:"comment,omitempty"`
	Logging    *api.LoggingConfiguration    `json:"logging,omitempty"`
	Tracing    *api.TracingConfiguration    `json:"tracing,omitempty"`
	Encryption *api.EncryptionConfiguration `json:"encryption,omitempty"`
	Tags       []api.Tag                    `json:"tags,omitempty"`
	Deleting   bool                         `json:"deleting,omitempty"`

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
	key := store.DocKey{Tenant: tenant, Kind: kindMachine, Name: name}
	doc, err := c.store.Doc(ctx, key)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	m := c.read[key]
	c.mu.Unlock()
	if m != nil && m.rev == doc.Rev {
		return m, nil
	}
	if m, err = decodeMachine(doc); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.read) >= keepDocs {
		clear(c.read)
	}
	c.read[key] = m
	return m, nil
}

func decodeMachine(doc store.Doc) (*machineDoc, error) {
	m := &machineDoc{rev: doc.Rev}
	if err := decodeDoc(doc, m); err != nil {
		return nil, err
	}
	m.Definition = store.Hash(m.Hash)
	return m, nil
}

// started is the machine as a start needs it.
func (m *machineDoc) started(account, region string) engine.Machine {
	return engine.Machine{
		Account: account, Region: region, Name: m.Name, Definition: m.Definition,
		RoleARN: m.Role, Express: m.Type == api.StateMachineTypeExpress,
	}
}

// Machine finds the state machine that a nested execution names, as engine's
// Config.Machines.
func (c *Catalog) Machine(ctx context.Context, account, region, text string) (engine.Machine, error) {
	missing := &integration.Error{
		Name:   "StepFunctions.StateMachineDoesNotExistException",
		Cause:  fmt.Sprintf("State Machine Does Not Exist: '%s' (Service: AWSStepFunctions; Status Code: 400; Error Code: StateMachineDoesNotExist; Request ID: %s; Proxy: null)", text, account),
		Effect: integration.EffectNone,
	}
	arn, err := api.ParseARN(text)
	if err != nil {
		var e *api.Error
		errors.As(err, &e)
		return engine.Machine{}, &integration.Error{
			Name:   "StepFunctions.InvalidArnException",
			Cause:  fmt.Sprintf("%s (Service: AWSStepFunctions; Status Code: 400; Error Code: InvalidArn; Request ID: %s; Proxy: null)", e.Message, account),
			Effect: integration.EffectNone,
		}
	}
	if arn.Kind != api.KindStateMachine || arn.Account != account || arn.Region != region {
		return engine.Machine{}, missing
	}
	m, err := c.machine(ctx, engine.Tenant(account, region), arn.Machine)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return engine.Machine{}, missing
	case err != nil:
		return engine.Machine{}, err
	case m.Deleting:
		return engine.Machine{}, missing
	}
	return m.started(account, region), nil
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

// check reads a definition and refuses one that can't run here. It returns its
// comment, which describes the machine.
func (c *Catalog) check(text string, kind api.StateMachineType) (comment string, err error) {
	parse := asl.Parse
	if c.StrictAWS {
		parse = asl.ParseJSON
	}
	definition, diagnostics := parse([]byte(text))
	if message := asl.Render(diagnostics); message != "" {
		return "", api.Errorf(api.CodeInvalidDefinition, "%s", message)
	}
	program, err := asl.Compile(definition, asl.Rules{
		Express: kind == api.StateMachineTypeExpress,
		Serves:  c.serves,
	})
	var refusal *asl.Refusal
	if errors.As(err, &refusal) {
		return "", api.Errorf(api.CodeInvalidDefinition, "%s", refusal.Error())
	}
	if err != nil {
		return "", err
	}
	return program.Comment, nil
}

// serves says what a Task may name: what the registry has a handler for, and
// what the engine does itself.
func (c *Catalog) serves(service, action string, p asl.Pattern) bool {
	return service == "states" || c.registry.Serves(service, action, integration.Pattern(p))
}

// definition is a definition's text by its hash.
func (c *Catalog) definition(ctx context.Context, hash store.Hash) (string, error) {
	text, err := c.store.Definition(ctx, hash)
	return string(text), err
}

// variables are the variables that each state of a definition reads.
func variables(text string) map[string][]string {
	definition, _ := asl.Parse([]byte(text))
	program, err := asl.Compile(definition, asl.Rules{Distributed: true})
	if err != nil {
		return nil
	}
	return program.VariableReferences()
}

func hashOf(text string) store.Hash { return sha256.Sum256([]byte(text)) }
