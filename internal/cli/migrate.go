package cli

import "fmt"

// migrate brings a PostgreSQL store up to date.
type migrate struct {
	Postgres string `help:"The database." env:"BACKSTEP_POSTGRES" placeholder:"DSN" required:""`
	Check    bool   `help:"Change nothing, only tell; exit 1 where there is something to do."`
}

// Help is the long help of migrate.
func (migrate) Help() string {
	return `A server does so by itself when it starts; this does it before, for instance by
another role, which may change tables. It is done in one transaction, by one
process at a time: what is interrupted leaves the database as it was.

Exit 0 when the database is up to date, 1 when --check finds that it is not, 2
when it holds something else or was written by a newer version, 3 when it is not
reached or refuses.

Examples:
  backstep migrate --postgres postgres://owner@db/backstep
  backstep migrate --postgres postgres://owner@db/backstep --check`
}

// migrated is at which format a store was, 0 where there is none, and is.
type migrated struct {
	Was    int `json:"was"`
	Is     int `json:"is"`
	Newest int `json:"newest"` // that this version knows
}

// Run migrates and tells what was done.
func (v *migrate) Run(s *session) error {
	var m migrated
	var err error
	m.Was, m.Is, m.Newest, err = s.Tools.Migrate(s.ctx, v.Postgres, v.Check)
	if err != nil {
		return err
	}
	if s.JSON {
		if err := s.printJSON(m); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(s.Stdout, m)
	}
	if m.Is < m.Newest {
		return errNo
	}
	return nil
}

// String is what was done, in a line.
func (m migrated) String() string {
	switch {
	case m.Is == 0:
		return fmt.Sprintf("there is no store yet; this version makes one of format %d", m.Newest)
	case m.Is < m.Newest:
		return fmt.Sprintf("format %d; this version brings it to %d", m.Is, m.Newest)
	case m.Was == 0:
		return fmt.Sprintf("made, format %d", m.Is)
	case m.Was < m.Is:
		return fmt.Sprintf("format %d was brought to %d", m.Was, m.Is)
	}
	return fmt.Sprintf("up to date, format %d", m.Is)
}
