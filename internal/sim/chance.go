package sim

import "math/rand/v2"

// chance is a stream of decisions that a seed makes.
type chance struct{ *rand.Rand }

// The streams of a seed. They are independent, so that another fault does not
// make another definition or another path through it.
const (
	faultStream = iota + 1
	workStream
	pathStream
	entropyStream
	redriveStream
	askStream
	stormStream
)

func newChance(seed uint64, stream uint64) chance {
	return chance{rand.New(rand.NewPCG(seed, stream*0x9e3779b97f4a7c15))}
}

// once is true once in n times.
func (c chance) once(n int) bool { return c.IntN(n) == 0 }

// share is true with that probability in thousandths.
func (c chance) share(thousandths int) bool {
	return thousandths > 0 && c.IntN(1000) < thousandths
}

// between is a number from least to most, both included.
func (c chance) between(least, most int) int { return least + c.IntN(most-least+1) }

// span is a time from least to most in ms; short ones are likelier.
func (c chance) span(least, most int64) int64 {
	if most <= least {
		return least
	}
	f := c.Float64()
	return least + int64(f*f*f*float64(most-least))
}

// Read is chance as the engine's entropy.
func (c chance) Read(p []byte) (int, error) {
	for i := 0; i < len(p); i += 8 {
		n := c.Uint64()
		for j := i; j < min(i+8, len(p)); j++ {
			p[j] = byte(n)
			n >>= 8
		}
	}
	return len(p), nil
}

func pick[T any](c chance, from ...T) T { return from[c.IntN(len(from))] }
