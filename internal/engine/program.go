package engine

import (
	"container/list"
	"context"
	"fmt"
	"sync"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/store"
)

// programs are the compiled definitions that were used last. A definition never
// changes under its hash, so what is kept is never wrong.
type programs struct {
	store store.Store
	most  int

	mu     sync.Mutex
	byHash map[store.Hash]*list.Element // of compiled
	used   list.List                    // the last used first
}

type compiled struct {
	hash    store.Hash
	program *asl.Program
}

func newPrograms(s store.Store, most int) *programs {
	return &programs{store: s, most: most, byHash: make(map[store.Hash]*list.Element)}
}

// find is the program of a definition. A definition that no longer compiles is
// an *asl.Refusal, one that is not there store.ErrNotFound.
func (p *programs) find(ctx context.Context, hash store.Hash) (*asl.Program, error) {
	p.mu.Lock()
	if one := p.byHash[hash]; one != nil {
		p.used.MoveToFront(one)
		p.mu.Unlock()
		return one.Value.(compiled).program, nil
	}
	p.mu.Unlock()
	text, err := p.store.Definition(ctx, hash)
	if err != nil {
		return nil, fmt.Errorf("definition %x: %w", hash[:8], err)
	}
	program, err := compile(text)
	if err != nil {
		return nil, fmt.Errorf("definition %x: %w", hash[:8], err)
	}
	p.keep(compiled{hash, program})
	return program, nil
}

// compile takes a definition as it was once accepted: whether its tasks are
// served here today shows when they are called.
func compile(text []byte) (*asl.Program, error) {
	definition, diagnostics := asl.Parse(text)
	if definition == nil {
		return nil, &asl.Refusal{Diagnostics: diagnostics}
	}
	return asl.Compile(definition, asl.Rules{Distributed: true})
}

func (p *programs) keep(c compiled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byHash[c.hash] != nil {
		return
	}
	p.byHash[c.hash] = p.used.PushFront(c)
	if p.used.Len() > p.most {
		old := p.used.Back()
		delete(p.byHash, old.Value.(compiled).hash)
		p.used.Remove(old)
	}
}
