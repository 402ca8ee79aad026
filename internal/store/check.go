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
	b.Bodies(c.body)
	each(b.ExpectDocs, func(r *ExpectDoc) { c.doc(&r.DocKey) })
	each(b.ExpectNames, c.name)
	each(b.ExpectQueued, c.queued)
	each(b.Docs, func(r *Doc) { c.doc(&r.DocKey) })
	each(b.DropDocs, c.doc)
	each(b.Names, c.named)
	each(b.DropNames, c.name)
	each(b.Messages, func(r *Message) { c.message(r.Key) })
	each(b.DropMessages, func(r *MessageKey) { c.message(r.Key) })
	each(b.Queue, func(r *Queued) { c.queued(&r.QueuedKey) })
	each(b.DropQueue, c.queued)
	each(b.Index, func(r *Index) { c.index(&r.IndexKey) })
	each(b.DropIndex, c.index)
	each(b.Leases, func(r *Lease) { c.text(r.Node) })
	return c.err
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

func (c *checker) doc(k *DocKey) {
	c.text(k.Tenant)
	c.text(k.Kind)
	c.text(k.Name)
}

func (c *checker) name(k *NameKey) {
	c.text(k.Tenant)
	c.text(k.Machine)
	c.text(k.Name)
}

func (c *checker) named(n *Name) {
	c.name(&n.NameKey)
	if n.ID.Shard() != n.Shard {
		c.refuse("name %q lies in shard %d, its execution in %d", n.Name, n.Shard, n.ID.Shard())
	}
}

func (c *checker) queued(k *QueuedKey) {
	c.text(k.Tenant)
	c.text(k.Activity)
}

func (c *checker) index(k *IndexKey) {
	c.text(k.Tenant)
	c.text(k.Index)
	if !ValidValue(k.Value) {
		c.refuse("the value %.40q is longer than %d bytes, no UTF-8, or holds a NUL", k.Value, MaxValue)
	}
}
