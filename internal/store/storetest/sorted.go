package storetest

import (
	"iter"
	"slices"
)

// sorted is a map that can be read in the order of its keys. The zero value
// with a compare function is empty. Its rows stand in chunks, so that no change
// moves more than one chunk.
type sorted[K, V any] struct {
	compare func(a, b K) int
	chunks  [][]row[K, V]
}

type row[K, V any] struct {
	key   K
	value V
}

const chunkRows = 256

// find is the place of the first row whose key is not below k.
func (s *sorted[K, V]) find(k K) (chunk, at int, there bool) {
	chunk, _ = slices.BinarySearchFunc(s.chunks, k, func(rows []row[K, V], k K) int {
		return s.compare(rows[len(rows)-1].key, k)
	})
	if chunk == len(s.chunks) {
		return chunk, 0, false
	}
	at, there = slices.BinarySearchFunc(s.chunks[chunk], k, func(r row[K, V], k K) int {
		return s.compare(r.key, k)
	})
	return chunk, at, there
}

func (s *sorted[K, V]) get(k K) (v V, there bool) {
	chunk, at, there := s.find(k)
	if there {
		v = s.chunks[chunk][at].value
	}
	return v, there
}

func (s *sorted[K, V]) put(k K, v V) {
	chunk, at, there := s.find(k)
	switch {
	case there:
		s.chunks[chunk][at].value = v
		return
	case len(s.chunks) == 0:
		s.chunks = append(s.chunks, nil)
	case chunk == len(s.chunks):
		chunk--
		at = len(s.chunks[chunk])
	}
	s.chunks[chunk] = slices.Insert(s.chunks[chunk], at, row[K, V]{k, v})
	if rows := s.chunks[chunk]; len(rows) > chunkRows {
		upper := slices.Clone(rows[chunkRows/2:])
		s.chunks[chunk] = slices.Delete(rows, chunkRows/2, len(rows))
		s.chunks = slices.Insert(s.chunks, chunk+1, upper)
	}
}

func (s *sorted[K, V]) drop(k K) {
	chunk, at, there := s.find(k)
	if !there {
		return
	}
	s.chunks[chunk] = slices.Delete(s.chunks[chunk], at, at+1)
	if len(s.chunks[chunk]) == 0 {
		s.chunks = slices.Delete(s.chunks, chunk, chunk+1)
	}
}

// from are the rows whose keys are not below k, upwards.
func (s *sorted[K, V]) from(k K) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		chunk, at, _ := s.find(k)
		for ; chunk < len(s.chunks); chunk, at = chunk+1, 0 {
			for _, r := range s.chunks[chunk][at:] {
				if !yield(r.key, r.value) {
					return
				}
			}
		}
	}
}

// downFrom are the rows whose keys are not above k, downwards.
func (s *sorted[K, V]) downFrom(k K) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		chunk, at, there := s.find(k)
		if there {
			at++
		}
		for ; chunk >= 0; chunk-- {
			if chunk < len(s.chunks) {
				for _, r := range slices.Backward(s.chunks[chunk][:at]) {
					if !yield(r.key, r.value) {
						return
					}
				}
			}
			if chunk > 0 {
				at = len(s.chunks[chunk-1])
			}
		}
	}
}

// all are the rows upwards.
func (s *sorted[K, V]) all() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, rows := range s.chunks {
			for _, r := range rows {
				if !yield(r.key, r.value) {
					return
				}
			}
		}
	}
}
