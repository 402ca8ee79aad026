package machine

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
)

// Token names a job to the outside: whoever has it may complete the job. It
// must stand in no log, metric or URL.
type Token struct {
	ID           ID
	Job          JobID
	Attempt      uint32
	RestoreEpoch uint32
}

// errToken says that a text is no token of this store: malformed, or made by
// somebody who does not have its key.
var errToken = errors.New("the token is invalid")

const (
	tokenPrefix = "bs1."
	tokenBytes  = 16 + 3*4
	sealBytes   = 16
)

var tokenText = base64.RawURLEncoding.Strict()

// Seal is the token sealed under the key: what leaves the house.
func (k Token) Seal(key []byte) string {
	raw := make([]byte, 0, tokenBytes)
	raw = append(raw, k.ID[:]...)
	raw = binary.BigEndian.AppendUint32(raw, uint32(k.Job))
	raw = binary.BigEndian.AppendUint32(raw, k.Attempt)
	raw = binary.BigEndian.AppendUint32(raw, k.RestoreEpoch)
	out := make([]byte, 0, 64)
	out = append(out, tokenPrefix...)
	out = tokenText.AppendEncode(out, raw)
	out = append(out, '.')
	return string(tokenText.AppendEncode(out, seal(key, raw)))
}

// Open reads what Seal wrote. The error says no more than that it is none, or of
// another key. A token that opens may still be an old one: whether its job is
// open, and whether its epoch is the store's, is for the caller to see.
func (k *Token) Open(text string, key []byte) error {
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	body, tag, dotted := strings.Cut(rest, ".")
	if !ok || !dotted || strings.ContainsAny(rest, "\r\n") { // which base64 would pass over
		return errToken
	}
	raw, err := tokenText.DecodeString(body)
	if err != nil || len(raw) != tokenBytes {
		return errToken
	}
	sum, err := tokenText.DecodeString(tag)
	if err != nil || subtle.ConstantTimeCompare(sum, seal(key, raw)) != 1 {
		return errToken
	}
	k.Job = JobID(binary.BigEndian.Uint32(raw[16:]))
	k.Attempt = binary.BigEndian.Uint32(raw[20:])
	k.RestoreEpoch = binary.BigEndian.Uint32(raw[24:])
	copy(k.ID[:], raw)
	return nil
}

// seal is the first half of the HMAC of a token's bytes.
func seal(key, raw []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(raw)
	return h.Sum(nil)[:sealBytes]
}
