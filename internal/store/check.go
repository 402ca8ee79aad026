package store

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The limits of every store.
const (
	MaxText       = 512      // bytes of a tenant, kind, name, machine, activity, index or node
	MaxValue      = 1024     // bytes of an index's value
	MaxMessageKey = 64       // bytes of a message's own name
	MaxBody       = 16 << 20 // bytes of one Body or Start
)

// Check reports what every store refuses: texts that are no UTF-8, hold a NUL
// or are longer than MaxText or MaxValue, bodies above MaxBody, message keys that are empty
// or above MaxMessageKey, and rows that lie in another shard than their
// execution. Stores call it before they do anything.
func (b *Batch) Check() error {
	var c checker
	for i := range b.ExpectDocs {
		c.doc(b.ExpectDocs[i].DocKey)
	}
	for i := range b.ExpectNames {
		c.name(b.ExpectNames[i])
	}
	for i := range b.ExpectQueued {
		c.queued(b.ExpectQueued[i])
	}
	for i := range b.Docs {
		c.doc(b.Docs[i].DocKey)
		c.body(b.Docs[i].Body)
	}
	for i := range b.DropDocs {
		c.doc(b.DropDocs[i])
	}
	for i := range b.Definitions {
		c.body(b.Definitions[i].Body)
	}
	for i := range b.Names {
		c.name(b.Names[i].NameKey)
		if b.Names[i].ID.Shard() != b.Names[i].Shard {
			c.refuse("name %q lies in shard %d, its execution in %d", b.Names[i].Name, b.Names[i].Shard, b.Names[i].ID.Shard())
		}
	}
	for i := range b.DropNames {
		c.name(b.DropNames[i])
	}
	b.checkExecutions(&c)
	b.checkLists(&c)
	return c.err
}

func (b *Batch) checkExecutions(c *checker) {
	for i := range b.Executions {
		c.body(b.Executions[i].Start)
		c.body(b.Executions[i].Body)
	}
	for i := range b.Frames {
		c.body(b.Frames[i].Body)
	}
	for i := range b.Undos {
		c.body(b.Undos[i].Body)
	}
	for i := range b.Events {
		c.body(b.Events[i].Body)
	}
	for i := range b.Payloads {
		c.body(b.Payloads[i].Body)
	}
	for i := range b.Jobs {
		c.body(b.Jobs[i].Body)
	}
}

func (b *Batch) checkLists(c *checker) {
	for i := range b.Messages {
		c.message(b.Messages[i].Key)
		c.body(b.Messages[i].Body)
	}
	for i := range b.DropMessages {
		c.message(b.DropMessages[i].Key)
	}
	for i := range b.Queue {
		c.queued(b.Queue[i].QueuedKey)
		c.body(b.Queue[i].Body)
	}
	for i := range b.DropQueue {
		c.queued(b.DropQueue[i])
	}
	for i := range b.Index {
		c.index(b.Index[i].IndexKey)
		c.body(b.Index[i].Body)
	}
	for i := range b.DropIndex {
		c.index(b.DropIndex[i])
	}
	for i := range b.Leases {
		c.text(b.Leases[i].Node)
		c.body(b.Leases[i].Body)
	}
}

// ValidText reports whether s can be part of a key: UTF-8 without NUL of at most
// MaxText bytes. To read what has no such key finds nothing.
func ValidText(s string) bool { return len(s) <= MaxText && validKey(s) }

// ValidValue is [ValidText] for the value of an index, of at most MaxValue bytes.
func ValidValue(s string) bool { return len(s) <= MaxValue && validKey(s) }

func validKey(s string) bool { return strings.IndexByte(s, 0) < 0 && utf8.ValidString(s) }

// checker keeps the first fault that it meets.
type checker struct{ err error }

func (c *checker) refuse(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("batch refused: "+format, args...)
	}
}

func (c *checker) text(s string) {
	if !ValidText(s) {
		c.refuse("%.40q is longer than %d bytes, no UTF-8, or holds a NUL", s, MaxText)
	}
}

func (c *checker) body(b []byte) {
	if len(b) > MaxBody {
		c.refuse("a body of %d bytes, at most %d are kept", len(b), MaxBody)
	}
}

func (c *checker) message(key []byte) {
	if len(key) == 0 || len(key) > MaxMessageKey {
		c.refuse("a message key of %d bytes, it has 1 to %d", len(key), MaxMessageKey)
	}
}

func (c *checker) doc(k DocKey) {
	c.text(k.Tenant)
	c.text(k.Kind)
	c.text(k.Name)
}

func (c *checker) name(k NameKey) {
	c.text(k.Tenant)
	c.text(k.Machine)
	c.text(k.Name)
}

func (c *checker) queued(k QueuedKey) {
	c.text(k.Tenant)
	c.text(k.Activity)
}

func (c *checker) index(k IndexKey) {
	c.text(k.Tenant)
	c.text(k.Index)
	if !ValidValue(k.Value) {
		c.refuse("the value %.40q is longer than %d bytes, no UTF-8, or holds a NUL", k.Value, MaxValue)
	}
}
