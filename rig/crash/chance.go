package main

import (
	"math/rand/v2"
	"sync"
	"time"
)

// chance draws from a seed. Many may draw at once; who draws first is not the
// seed's to say, so a seed repeats the faults, not a run.
type chance struct {
	mu   sync.Mutex
	rand *rand.Rand
}

func newChance(seed, stream uint64) *chance {
	return &chance{rand: rand.New(rand.NewPCG(seed, stream))}
}

// below draws from 0 to n-1.
func (c *chance) below(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rand.IntN(n)
}

// between draws a time.
func (c *chance) between(from, to time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return from + time.Duration(c.rand.Int64N(int64(to-from)+1))
}

// percent is true that often.
func (c *chance) percent(n int) bool { return c.below(100) < n }

func (c *chance) sleep(from, to time.Duration) { time.Sleep(c.between(from, to)) }
