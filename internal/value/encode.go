package value

import (
	"math"
	"strconv"
)

// Text is v as JSON text without white space. [Absent] gives the zero Text.
func (v Value) Text() Text {
	if v.kind == Absent {
		return Text{}
	}
	var room [1024]byte // on the stack: most texts are short
	return Text{string(v.Append(room[:0]))}
}

// Append adds v as JSON text to dst.
func (v Value) Append(dst []byte) []byte {
	switch v.kind {
	case Null:
		return append(dst, "null"...)
	case Bool:
		return strconv.AppendBool(dst, v.truth)
	case Number:
		if v.text != "" {
			return append(dst, v.text...)
		}
		return appendFloat(dst, v.num)
	case String:
		return AppendString(dst, v.text)
	case Array:
		dst = append(dst, '[')
		for i, item := range v.node.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.Append(dst)
		}
		return append(dst, ']')
	case Object:
		dst = append(dst, '{')
		for i, name := range v.node.names {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendString(dst, name)
			dst = append(dst, ':')
			dst = v.node.items[i].Append(dst)
		}
		return append(dst, '}')
	}
	return dst
}

// Fits reports whether v as JSON text is at most limit bytes long. It counts no
// further than that, however much v holds.
func (v Value) Fits(limit int) bool { return v.spend(limit) >= 0 }

// spend is what remains of left bytes after v's text, negative where too few.
func (v Value) spend(left int) int {
	switch v.kind {
	case Null:
		return left - len("null")
	case Bool:
		return left - len(strconv.FormatBool(v.truth))
	case Number:
		return left - len(v.Spelling())
	case String:
		return spendString(left, v.text)
	case Array, Object:
		left -= len("[]") + max(v.Len()-1, 0)
		for i := 0; i < v.Len() && left >= 0; i++ {
			if v.kind == Object {
				left = spendString(left, v.node.names[i]) - len(":")
			}
			left = v.node.items[i].spend(left)
		}
	}
	return left
}

func spendString(left int, s string) int {
	if len(s) > left {
		return -1
	}
	for i := plain(s, 0); i < len(s); i = plain(s, i+1) {
		switch b := s[i]; {
		case b >= 0x80 && b != 0xED:
		case b == '"' || b == '\\' || b == '\b' || b == '\f' || b == '\n' || b == '\r' || b == '\t':
			left--
		case b < 0x20:
			left -= len("\\u0000") - 1
		case i+2 < len(s) && s[i+1] >= 0xA0: // a surrogate
			left -= len("\\u0000") - 3
		}
	}
	return left - len(s) - len(`""`)
}

// appendFloat writes f as ECMAScript does (Number::toString): digits up to
// 1e21, an exponent beyond.
func appendFloat(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return strconv.AppendInt(dst, int64(f), 10)
	}
	if a := math.Abs(f); a >= 1e-6 && a < 1e21 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	if n := len(dst); n >= 4 && dst[n-2] == '0' && (dst[n-3] == '-' || dst[n-3] == '+') {
		dst[n-2] = dst[n-1] // e-07 is written e-7
		dst = dst[:n-1]
	}
	return dst
}

const hexDigits = "0123456789ABCDEF"

// AppendString adds s as a JSON string to dst: escaped where JSON demands it,
// and nowhere else.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := plain(s, 0); i < len(s); i = plain(s, i+1) {
		b := s[i]
		if b >= 0x80 && b != 0xED {
			continue
		}
		if b == 0xED && (i+2 >= len(s) || s[i+1] < 0xA0) {
			continue // not a surrogate
		}
		dst = append(dst, s[start:i]...)
		switch b {
		case '"', '\\':
			dst = append(dst, '\\', b)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		case 0xED:
			r := 0xD000 | int(s[i+1]&0x3F)<<6 | int(s[i+2]&0x3F)
			dst = append(dst, '\\', 'u', hexDigits[r>>12], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
			i += 2
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
		}
		start = i + 1
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
