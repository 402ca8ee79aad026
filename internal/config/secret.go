package config

import "net/url"

// Secret is text that is never printed: string(s) is the text itself.
type Secret string

const mask = "***"

// String is a mask.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// GoString is a mask.
func (s Secret) GoString() string { return `"` + s.String() + `"` }

// MarshalText is a mask.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// URL is an address that is printed without its user and its query, which may
// hold secrets: string(u) is the address itself.
type URL string

// String is the address without user and query.
func (u URL) String() string {
	if u == "" {
		return ""
	}
	parsed, err := url.Parse(string(u))
	if err != nil {
		return mask
	}
	if parsed.User != nil {
		parsed.User = url.User(mask)
	}
	if parsed.RawQuery != "" {
		parsed.RawQuery = mask
	}
	return parsed.String()
}

// GoString is the address without user and query.
func (u URL) GoString() string { return `"` + u.String() + `"` }

// MarshalText is the address without user and query.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }
