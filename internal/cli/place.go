package cli

import "strings"

// Place is where a store lies: a data folder or a PostgreSQL database.
type Place struct {
	Data     string `help:"A data folder." type:"path" xor:"store" placeholder:"DIR"`
	Postgres string `help:"A PostgreSQL database." xor:"store" placeholder:"DSN"`
}

// isDSN reports whether a text names a PostgreSQL database and no folder.
func isDSN(text string) bool {
	return strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://") ||
		strings.Contains(text, "dbname=") || strings.Contains(text, "host=")
}

// placeOf is the place that a text names.
func placeOf(text string) Place {
	if isDSN(text) {
		return Place{Postgres: text}
	}
	return Place{Data: text}
}

// String is the place for people, without what is secret in it.
func (p Place) String() string {
	if p.Postgres != "" {
		return "PostgreSQL"
	}
	return p.Data
}
