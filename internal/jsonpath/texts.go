package jsonpath

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"strings"

	"github.com/backstep/backstep/internal/value"
)

const (
	maxCharacters = 10_000  // of what is hashed, encoded or decoded
	maxOutput     = 1 << 20 // bytes of a text that a function writes: four times what a payload may hold
)

var tooLong = &fault{detail: "the result is too long."}

// format puts the arguments in place of the template's {}.
func format(args []value.Value, _ Chance) (value.Value, *fault) {
	template, args := args[0], args[1:]
	if template.Kind() != value.String {
		return value.Value{}, badArguments
	}
	var out []byte
	text := template.AsString()
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text) && strings.IndexByte(`'{}\`, text[i+1]) >= 0:
			i++
			out = append(out, text[i])
		case c == '{' && (i+1 == len(text) || text[i+1] != '}'):
			return value.Value{}, &fault{"Invalid template", "matching '}' not found for '{'."}
		case c == '}':
			return value.Value{}, &fault{"Invalid template", "matching '{' not found for '}'."}
		case c == '{':
			if len(args) == 0 {
				return value.Value{}, wrongCount
			}
			if !args[0].Fits(maxOutput - len(out)) {
				return value.Value{}, tooLong
			}
			out = appendPlain(out, args[0])
			args = args[1:]
			i++
		default:
			out = append(out, c)
		}
	}
	if len(args) > 0 {
		return value.Value{}, wrongCount
	}
	return value.NewString(string(out)), nil
}

var wrongCount = &fault{detail: "number of arguments do not match the occurrences of {}."}

// plain is v as the service puts it into other texts: strings without quotes,
// and objects and lists as Java prints them, {a=1, b=[x, y]}.
func plain(v value.Value) string { return string(appendPlain(nil, v)) }

func appendPlain(dst []byte, v value.Value) []byte {
	switch v.Kind() {
	case value.String:
		return append(dst, v.AsString()...)
	case value.Array:
		dst = append(dst, '[')
		for i, item := range v.Items() {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendPlain(dst, item)
		}
		return append(dst, ']')
	case value.Object:
		dst = append(dst, '{')
		for i, item := range v.Items() {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(append(dst, v.NameAt(i)...), '=')
			dst = appendPlain(dst, item)
		}
		return append(dst, '}')
	}
	return v.Append(dst)
}

// stringSplit splits at each character of the second argument. Empty parts are
// left out.
func stringSplit(args []value.Value, _ Chance) (value.Value, *fault) {
	if args[0].Kind() != value.String || args[1].Kind() != value.String {
		return value.Value{}, badArguments
	}
	var splitters = map[rune]bool{}
	for _, r := range args[1].AsString() {
		splitters[r] = true
	}
	var parts []value.Value
	for _, part := range strings.FieldsFunc(args[0].AsString(), func(r rune) bool { return splitters[r] }) {
		parts = append(parts, value.NewString(part))
	}
	return value.NewArray(parts), nil
}

// stringToJSON reads JSON text. No text at all is null, as at the service.
func stringToJSON(args []value.Value, _ Chance) (value.Value, *fault) {
	s := args[0].AsString()
	if args[0].Kind() != value.String {
		return value.Value{}, badArguments
	}
	if strings.TrimSpace(s) == "" {
		return value.NewNull(), nil
	}
	t, err := value.Check(s)
	if err != nil {
		return value.Value{}, badArguments
	}
	return t.Decode(), nil
}

func jsonToString(args []value.Value, _ Chance) (value.Value, *fault) {
	if !args[0].Fits(maxOutput) {
		return value.Value{}, tooLong
	}
	return value.NewString(args[0].Text().String()), nil
}

// jsonMerge adds the second object's members to the first's. A deep merge is
// not to be had; what is no boolean means a shallow one, as at the service.
func jsonMerge(args []value.Value, _ Chance) (value.Value, *fault) {
	a, b := args[0], args[1]
	if a.Kind() != value.Object || b.Kind() != value.Object || args[2].AsBool() {
		return value.Value{}, badArguments
	}
	merged := value.NewBuilder(a.Len() + b.Len())
	for name, v := range a.Members() {
		merged.Set(name, v)
	}
	for name, v := range b.Members() {
		merged.Set(name, v)
	}
	return merged.Object(), nil
}

// characters counts s as the service does, in units of UTF-16.
func characters(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

// utf8Text is s with a question mark in place of surrogates that stand alone,
// as Java encodes them.
func utf8Text(s string) string { return strings.ToValidUTF8(s, "?") }

func base64Encode(args []value.Value, _ Chance) (value.Value, *fault) {
	s := args[0].AsString()
	if args[0].Kind() != value.String || characters(s) > maxCharacters {
		return value.Value{}, badArguments
	}
	return value.NewString(base64.StdEncoding.EncodeToString([]byte(utf8Text(s)))), nil
}

// base64Decode takes what the service takes: either alphabet, padding or none,
// and anything else between the letters, which is passed over. Bytes that are
// not UTF-8 become U+FFFD.
func base64Decode(args []value.Value, _ Chance) (value.Value, *fault) {
	s := args[0].AsString()
	if args[0].Kind() != value.String || characters(s) > maxCharacters {
		return value.Value{}, badArguments
	}
	s, _, _ = strings.Cut(s, "=")
	letters := strings.Map(func(r rune) rune {
		switch {
		case r == '-':
			return '+'
		case r == '_':
			return '/'
		case r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '+' || r == '/':
			return r
		}
		return -1
	}, s)
	if len(letters)%4 == 1 {
		letters = letters[:len(letters)-1] // six bits are no byte
	}
	raw, _ := base64.RawStdEncoding.DecodeString(letters) // nothing else is left in it
	return value.NewString(string([]rune(string(raw)))), nil
}

// digests are the algorithms of States.Hash.
var digests = map[string]func() hash.Hash{
	"MD5": md5.New, "SHA-1": sha1.New, "SHA-256": sha256.New, "SHA-384": sha512.New384, "SHA-512": sha512.New,
}

// hashOf is the digest of a text, or of any other value's plain text, in
// hexadecimal digits.
func hashOf(args []value.Value, _ Chance) (value.Value, *fault) {
	digest := digests[args[1].AsString()]
	if digest == nil || !args[0].Fits(maxOutput) {
		return value.Value{}, badArguments
	}
	text := plain(args[0])
	if characters(text) > maxCharacters {
		return value.Value{}, badArguments
	}
	d := digest()
	d.Write([]byte(utf8Text(text)))
	return value.NewString(hex.EncodeToString(d.Sum(nil))), nil
}
