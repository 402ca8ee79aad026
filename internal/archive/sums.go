package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"

	"github.com/backstep/backstep/internal/store"
)

// noun is a kind of rows. Its number stands in files.
type noun byte

const (
	documents noun = iota
	definitions
	names
	executions
	frames
	jobs
	undos
	events
	payloads
	messages
	queued
	listed
	leases
	nouns // how many there are
)

var nounNames = [nouns]string{
	"documents", "definitions", "names", "executions", "frames", "jobs", "undos", "events", "payloads", "messages", "queued", "listed", "leases",
}

// Sum is what one noun comes to.
type Sum struct {
	Noun   string `json:"noun"`
	Rows   int    `json:"rows"`
	SHA256 string `json:"sha256"` // of all its rows, in the order of the store
}

// Sums add rows up. It belongs to one goroutine.
type Sums struct {
	rows   [nouns]int
	hashes [nouns]hash.Hash
	all    int
	row    []byte
}

// NewSums are those of nothing.
func NewSums() *Sums {
	s := new(Sums)
	for i := range s.hashes {
		s.hashes[i] = sha256.New()
	}
	return s
}

// SumsOf reads a store. Progress, if not nil, hears how many rows there are so far.
func SumsOf(ctx context.Context, from store.Store, progress func(rows int)) (*Sums, error) {
	s := NewSums()
	return s, from.Dump(ctx, func(b *store.Batch) error {
		if rows := s.Add(b); progress != nil {
			progress(rows)
		}
		return nil
	}, nil)
}

// Add adds a page, and gives the number of all rows so far.
func (s *Sums) Add(b *store.Batch) int {
	eachRow(b, func(n noun, put func([]byte) []byte) {
		s.row = put(s.row[:0])
		s.hashes[n].Write(s.row)
		s.rows[n]++
		s.all++
	})
	return s.all
}

// Rows is how many rows a page has.
func Rows(b *store.Batch) int {
	return len(b.Docs) + len(b.Definitions) + len(b.Names) + len(b.Executions) + len(b.Frames) + len(b.Jobs) + len(b.Undos) + len(b.Events) +
		len(b.Payloads) + len(b.Messages) + len(b.Queue) + len(b.Index) + len(b.Leases)
}

// List are the sums, in the order of nouns.
func (s *Sums) List() []Sum {
	list := make([]Sum, nouns)
	for i := range list {
		list[i] = Sum{nounNames[i], s.rows[i], hex.EncodeToString(s.hashes[i].Sum(nil))}
	}
	return list
}

// Rows is how many rows there are.
func (s *Sums) Rows() int { return s.all }
