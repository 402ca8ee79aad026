package machine

import (
	"crypto/sha256"
	"encoding/binary"
)

// chance stretches the seed of a message by a counter: the bits that one Step
// draws from.
type chance struct {
	seed  [32]byte
	count uint64
	block [sha256.Size]byte
	left  int // bytes of the block not drawn yet
}

// Uint64 is the next 64 bits.
func (c *chance) Uint64() uint64 {
	if c.left == 0 {
		var in [40]byte
		copy(in[:], c.seed[:])
		binary.BigEndian.PutUint64(in[32:], c.count)
		c.block = sha256.Sum256(in[:])
		c.count++
		c.left = len(c.block)
	}
	at := len(c.block) - c.left
	c.left -= 8
	return binary.BigEndian.Uint64(c.block[at:])
}

// fraction is a number from 0 up to 1, 1 not included.
func (c *chance) fraction() float64 { return float64(c.Uint64()>>11) / (1 << 53) }
