package jsonpath

import (
	"encoding/hex"
	"math"
	"math/bits"

	"github.com/backstep/backstep/internal/value"
)

// whole is a number without its fraction, as the service reads the numbers of
// most functions. It must be one of 32 bits.
func whole(v value.Value) (int64, bool) { return within32(math.Trunc(v.AsFloat()), v) }

// rounded is the nearest whole number, half of one upward, of 32 bits.
func rounded(v value.Value) (int64, bool) { return within32(math.Floor(v.AsFloat()+0.5), v) }

func within32(f float64, v value.Value) (int64, bool) {
	if v.Kind() != value.Number || f < math.MinInt32 || f > math.MaxInt32 {
		return 0, false
	}
	return int64(f), true
}

func mathAdd(args []value.Value, _ Chance) (value.Value, *fault) {
	a, ok1 := rounded(args[0])
	b, ok2 := rounded(args[1])
	sum := a + b
	if !ok1 || !ok2 || sum < math.MinInt32 || sum > math.MaxInt32 {
		return value.Value{}, badArguments
	}
	return value.NewInt(sum), nil
}

// mathRandom draws a number from the first bound up to, without, the second.
// With a seed it is the number that java.util.Random gives first, which is
// what the service gives.
func mathRandom(args []value.Value, c Chance) (value.Value, *fault) {
	from, ok1 := whole(args[0])
	to, ok2 := whole(args[1])
	if !ok1 || !ok2 || from >= to {
		return value.Value{}, badArguments
	}
	if len(args) < 3 {
		n, _ := bits.Mul64(c.Uint64(), uint64(to-from))
		return value.NewInt(from + int64(n)), nil
	}
	seed := math.Trunc(args[2].AsFloat())
	if args[2].Kind() != value.Number || seed < math.MinInt64 || seed >= math.MaxInt64 {
		return value.Value{}, badArguments
	}
	r := javaRandom{(uint64(int64(seed)) ^ javaMultiplier) & javaMask}
	return value.NewInt(r.between(from, to)), nil
}

// javaRandom is the linear congruential generator of java.util.Random.
type javaRandom struct{ state uint64 }

const (
	javaMultiplier = 0x5DEECE66D
	javaMask       = 1<<48 - 1
)

// next is the next number of that many bits, at most 32, with a sign.
func (r *javaRandom) next(n uint) int32 {
	r.state = (r.state*javaMultiplier + 0xB) & javaMask
	return int32(r.state >> (48 - n))
}

// between is the next number from the first up to, without, the second.
func (r *javaRandom) between(from, to int64) int64 {
	bound := to - from
	if bound > math.MaxInt32 {
		for {
			if n := int64(r.next(32)); n >= from && n < to {
				return n
			}
		}
	}
	if bound&-bound == bound {
		return from + bound*int64(r.next(31))>>31
	}
	for {
		n := int64(r.next(31))
		if n-n%bound+bound-1 <= math.MaxInt32 {
			return from + n%bound
		}
	}
}

// uuid is a UUID of version 4.
func uuid(_ []value.Value, c Chance) (value.Value, *fault) {
	var raw [16]byte
	for i, half := 0, uint64(0); i < len(raw); i++ {
		if i%8 == 0 {
			half = c.Uint64()
		}
		raw[i] = byte(half >> (56 - i%8*8))
	}
	raw[6] = raw[6]&0x0F | 0x40
	raw[8] = raw[8]&0x3F | 0x80
	s := hex.EncodeToString(raw[:])
	return value.NewString(s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]), nil
}
