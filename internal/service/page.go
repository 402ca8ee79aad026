package service

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"github.com/backstep/backstep/api"
)

// page is one page of a listing. Its next token is bound to the query and to
// the store, and is good for a day.
type page struct {
	query string // the operation and what it asks for, but for the page
	size  int
	key   []byte
	now   time.Time
}

const (
	defaultPage = 100
	tokenLife   = 24 * time.Hour
)

// page begins the page of a query: an operation with its filters.
func (s *Service) page(query string, maxResults int32, filters ...string) page {
	size := int(maxResults)
	if size == 0 {
		size = defaultPage
	}
	return page{
		query: query + "\x00" + s.tenant + "\x00" + strings.Join(filters, "\x00"), size: size,
		key: s.Store.Identity().TokenKey, now: s.Now(),
	}
}

// next is the token of the page after position.
func (p page) next(position string) *string {
	body := binary.BigEndian.AppendUint64(nil, uint64(p.now.Add(tokenLife).UnixMilli()))
	body = append(body, position...)
	token := base64.RawURLEncoding.EncodeToString(append(p.mac(body), body...))
	return &token
}

// after is the position that a token names, "" without a token.
func (p page) after(token *string) (string, error) {
	if token == nil {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(*token)
	if err != nil || len(b) < macSize+8 {
		return "", api.InvalidToken("Invalid token")
	}
	mac, body := b[:macSize], b[macSize:]
	if !hmac.Equal(mac, p.mac(body)) {
		return "", api.InvalidToken("Invalid token")
	}
	if expires := int64(binary.BigEndian.Uint64(body)); p.now.UnixMilli() > expires {
		return "", api.InvalidToken("Expired token")
	}
	return string(body[8:]), nil
}

const macSize = 16

func (p page) mac(body []byte) []byte {
	h := hmac.New(sha256.New, p.key)
	h.Write([]byte("page\x00" + p.query + "\x00"))
	h.Write(body)
	return h.Sum(nil)[:macSize]
}
