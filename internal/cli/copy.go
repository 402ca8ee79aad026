package cli

import (
	"fmt"
	"strconv"
)

// copies moves everything from one store into another.
type copies struct {
	From string `help:"Where it lies: a data folder, or the DSN of a PostgreSQL database." required:"" placeholder:"DIR|DSN"`
	To   string `help:"Where it is to lie; nothing must be there yet." required:"" placeholder:"DIR|DSN"`
}

// Help is the long help of copy.
func (copies) Help() string {
	return `Definitions, executions, histories, timers, tokens: all goes along, and the server
goes on with --to where it stopped with --from. Stop the server first; it is
refused while one runs, and where --to holds anything. What was written is read
back, and held to what was read by counts and hashes. The source stays as it is.

Where it is interrupted, --to is incomplete, and no server takes it: take it away
and begin again.

Examples:
  backstep copy --from ./data --to postgres://backstep@localhost/backstep
  backstep copy --from postgres://backstep@localhost/backstep --to ./data`
}

// NounSum is what one kind of rows comes to.
type NounSum struct {
	Noun   string `json:"noun"`
	Rows   int    `json:"rows"`
	SHA256 string `json:"sha256"`
}

// Run copies.
func (v *copies) Run(s *session) error {
	if v.From == v.To {
		return usagef("--from and --to are the same")
	}
	shown := s.meter()
	sums, err := s.Keeper.Copy(s.ctx, placeOf(v.From), placeOf(v.To), shown.rows)
	shown.clear()
	if err != nil {
		return err
	}
	if s.JSON {
		return s.printJSON(sums)
	}
	rows := [][]string{{"NOUN", "ROWS", "SHA-256"}}
	for _, sum := range sums {
		rows = append(rows, []string{sum.Noun, strconv.Itoa(sum.Rows), sum.SHA256})
	}
	table(s.Stdout, rows)
	fmt.Fprintf(s.Stdout, "%s holds what %s holds; start the server on it\n", placeOf(v.To), placeOf(v.From))
	return nil
}

// rows shows how far a copy is.
func (m *meter) rows(rows int, back bool) {
	if back {
		m.show("%d rows read back", rows)
	} else {
		m.show("%d rows written", rows)
	}
}
