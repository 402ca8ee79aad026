package jsonata

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"math"

	"github.com/backstep/backstep/internal/value"
)

// draw is 64 bits of chance, 0 where there is none to draw from.
func (c call) draw() uint64 {
	if c.chance == nil {
		return 0
	}
	return c.chance.Uint64()
}

// fraction is a number from 0 up to 1, drawn.
func (c call) fraction() float64 { return float64(c.draw()>>11) / (1 << 53) }

// random is a number from 0 up to 1: drawn, or where a seed is given the first
// one that java.util.Random makes of it.
func random(c call) datum {
	seed := c.arg(0)
	if seed.absent() {
		return num(c.fraction())
	}
	const multiplier, mask = 0x5DEECE66D, 1<<48 - 1
	state := (uint64(int64(max(math.MinInt64, min(c.number(0), math.MaxInt64-1024)))) ^ multiplier) & mask
	bits := func(n int) uint64 {
		state = (state*multiplier + 0xB) & mask
		return state >> (48 - n)
	}
	high := bits(26)
	return num(float64(high<<27+bits(27)) / (1 << 53))
}

// uuid is a random UUID (version 4).
func uuid(c call) datum {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], c.draw())
	binary.BigEndian.PutUint64(b[8:], c.draw())
	b[6] = b[6]&0x0F | 0x40
	b[8] = b[8]&0x3F | 0x80
	s := hex.EncodeToString(b[:])
	return str(s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:])
}

// partition cuts an array into arrays of a size, the last of which may be
// smaller.
func partition(c call) datum {
	d := c.arg(0)
	if d.absent() {
		return d
	}
	size := c.number(1)
	if size < 1 || size != math.Trunc(size) {
		c.fail(codeOutOfRange, "The size of a partition must be a positive integer")
	}
	var parts []datum
	items := c.all(d)
	for n := int(min(size, math.MaxInt32)); len(items) > 0; {
		n = min(n, len(items))
		parts = c.push(parts, list(0, items[:n:n]...))
		items = items[n:]
	}
	return list(0, parts...)
}

// rangeOf is the numbers from a first to a last one by a step.
func rangeOf(c call) datum {
	if c.arg(0).absent() || c.arg(1).absent() || c.arg(2).absent() {
		return datum{}
	}
	first, last, step := c.number(0), c.number(1), c.number(2)
	if step == 0 {
		c.fail(codeOutOfRange, "The step of a range must not be zero")
	}
	n := math.Floor((last-first)/step) + 1
	if n <= 0 {
		return list(0)
	}
	if !(n <= maxRange) {
		c.fail("D2014", n)
	}
	items := c.room(nil, int(n))
	for i := range int(n) {
		items = append(items, c.result(first+float64(i)*step))
	}
	return list(0, items...)
}

// hash is the digest of a string, in hexadecimal digits.
func hash(c call) datum {
	if c.arg(0).absent() {
		return datum{}
	}
	data := []byte(c.text(0))
	c.write(len(data))
	c.step(len(data) / 8)
	var sum []byte
	switch algorithm := c.text(1); algorithm {
	case "MD5":
		s := md5.Sum(data)
		sum = s[:]
	case "SHA-1":
		s := sha1.Sum(data)
		sum = s[:]
	case "SHA-256":
		s := sha256.Sum256(data)
		sum = s[:]
	case "SHA-384":
		s := sha512.Sum384(data)
		sum = s[:]
	case "SHA-512":
		s := sha512.Sum512(data)
		sum = s[:]
	default:
		c.fail(codeOutOfRange, "The hash algorithm must be MD5, SHA-1, SHA-256, SHA-384 or SHA-512")
	}
	return str(hex.EncodeToString(sum))
}

// parseJSON is what a JSON text says.
func parseJSON(c call) datum {
	if c.arg(0).absent() {
		return datum{}
	}
	s := c.text(0)
	c.take(32 * len(s))
	c.step(len(s) / 8)
	t, err := value.Check(s)
	if err != nil {
		c.fail(codeOutOfRange, "The argument of $parse is "+err.Error())
	}
	return given(t.Decode())
}
