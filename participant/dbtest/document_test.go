package dbtest

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstep/backstep/participant"
)

// blocks are the blocks of the manual that are marked with a kind.
func blocks(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/participants.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, b := range regexp.MustCompile("(?ms)^```\\w+ (\\w+)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		all[b[1]] += b[2]
	}
	return all
}

// manual is the barrier as the manual has others write it: its statements, by name.
type manual struct {
	*database
	statements map[string]string
}

// newManual reads the manual's SQL, and makes its table.
func newManual(t *testing.T, d *database) *manual {
	t.Helper()
	m := &manual{d, map[string]string{}}
	all := blocks(t)
	name := ""
	for statement := range strings.SplitSeq(all[d.dialect.String()]+all["all"], ";\n") {
		statement = strings.TrimSpace(statement)
		named := regexp.MustCompile(`^-- (\w+)\n`).FindStringSubmatch(statement)
		switch {
		case statement == "":
		case named != nil:
			name = named[1]
			m.statements[name] = strings.TrimPrefix(statement, named[0])
		default:
			d.exec(t, statement)
		}
	}
	if want := []string{"insert", "lock", "purge", "read", "record", "update"}; !slices.Equal(sortedNames(m.statements), want) {
		t.Fatalf("the manual has the statements %v, want %v", sortedNames(m.statements), want)
	}
	return m
}

func sortedNames(statements map[string]string) []string {
	var names []string
	for name := range statements {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// do runs a statement of the manual, its parameters by name.
func (m *manual) query(ctx context.Context, tx *sql.Tx, name string, parameters map[string]any) (*sql.Rows, int64, error) {
	var args []any
	text := regexp.MustCompile(`:(\w+)`).ReplaceAllStringFunc(m.statements[name], func(parameter string) string {
		value, known := parameters[parameter[1:]]
		if !known {
			panic("the manual does not tell of " + parameter)
		}
		args = append(args, value)
		return "?"
	})
	if name == "read" {
		rows, err := tx.QueryContext(ctx, m.bind(text), args...)
		return rows, 0, err
	}
	result, err := tx.ExecContext(ctx, m.bind(text), args...)
	if err != nil {
		return nil, 0, err
	}
	n, err := result.RowsAffected()
	return nil, n, err
}

var errManualHanging, errManualNothing, errManualReused = errors.New("409: hanging"), errors.New("409: nothing to confirm"), errors.New("422: key reused")

// call does a call as the manual's six points say. It gives the body of the answer.
func (m *manual) call(ctx context.Context, c participant.Call, effect func(*sql.Tx) (refused bool, body string, err error)) (string, error) {
	tx, err := m.BeginTx(ctx, nil)
	if err != nil {
		return "", err
	}
	defer tx.Rollback()
	forwardKey := c.ForwardKey
	if forwardKey == "" {
		forwardKey = c.Key
	}
	step := regexp.MustCompile(`^[^:~]*`).FindString(forwardKey)
	parameters := map[string]any{"step": step, "now": time.Now().UnixMilli(), "call_key": c.Key, "operation": string(c.Operation), "status": 200, "content_type": "application/json", "state": strings.ReplaceAll(url.PathEscape(c.State), "%20", " "), "subject": nil} // the state as it travels
	if c.Subject != "" {
		parameters["subject"] = fmt.Sprintf("%x", sha256.Sum256([]byte(c.Subject)))
	}
	if _, _, err := m.query(ctx, tx, "lock", parameters); err != nil {
		return "", err
	}
	own, done, failed, err := m.read(ctx, tx, c, parameters)
	if err != nil {
		return "", err
	}
	_, forward := done[participant.Forward]
	_, compensated := done[participant.Compensate]
	answer, known := done[c.Operation]
	var body, outcome string
	switch {
	case own != nil:
		return *own, nil
	case known:
		return answer, nil
	case (c.Operation == participant.Forward || c.Operation == participant.Confirm) && (compensated || failed):
		return "", errManualHanging
	case c.Operation == participant.Confirm && !forward:
		return "", errManualNothing
	case c.Operation == participant.Query && forward:
		if compensated {
			return "UNKNOWN", nil
		}
		return "SUCCEEDED " + done[participant.Forward], nil
	case c.Operation == participant.Query && failed:
		return "FAILED", nil
	case c.Operation == participant.Query:
		parameters["call_key"], outcome, body = step+":query", "failed", "FAILED"
	case c.Operation == participant.Compensate && !forward:
		outcome, body = "void", "{}"
	default:
		if _, err := tx.ExecContext(ctx, "SAVEPOINT backstep_effect"); err != nil {
			return "", err
		}
		refused, said, err := effect(tx)
		if err != nil {
			return "", err
		}
		end := "RELEASE SAVEPOINT backstep_effect"
		if outcome, body = "succeeded", said; refused {
			outcome, end = "refused", "ROLLBACK TO SAVEPOINT backstep_effect"
		}
		if _, err := tx.ExecContext(ctx, end); err != nil {
			return "", err
		}
	}
	if outcome == "refused" && c.Operation != participant.Forward {
		return body, nil
	}
	parameters["outcome"], parameters["body"] = outcome, []byte(body)
	keep := "insert"
	if parameters["call_key"] == step {
		keep = "update"
	}
	if _, n, err := m.query(ctx, tx, keep, parameters); err != nil || n != 1 {
		return "", fmt.Errorf("%d rows kept: %w", n, err)
	}
	return body, tx.Commit()
}

// read reads a step's rows: the call's own answer, those of the operations that are
// done, and whether a query was told that the step has failed.
func (m *manual) read(ctx context.Context, tx *sql.Tx, c participant.Call, parameters map[string]any) (own *string, done map[participant.Operation]string, failed bool, err error) {
	rows, _, err := m.query(ctx, tx, "read", parameters)
	if err != nil {
		return nil, nil, false, err
	}
	defer rows.Close()
	done = map[participant.Operation]string{}
	for rows.Next() {
		var key, operation, outcome, kind string
		var status int
		var body []byte
		var state, subject sql.NullString
		if err := rows.Scan(&key, &operation, &outcome, &status, &kind, &body, &state, &subject); err != nil {
			return nil, nil, false, err
		}
		is := outcome == "succeeded" || outcome == "void"
		for column, kept := range map[string]sql.NullString{"state": state, "subject": subject} {
			if told := parameters[column]; (is || key == c.Key && outcome != "") && kept.Valid && told != nil && kept.String != told {
				return nil, nil, false, errManualReused
			}
		}
		text := string(body)
		if key == c.Key && outcome != "" {
			own = &text
		}
		if is {
			done[participant.Operation(operation)] = text
		}
		failed = failed || outcome == "failed"
	}
	return own, done, failed, rows.Err()
}

// barriers are the two that stand before the same table: the library's, and the
// manual's SQL.
func barriers(t *testing.T, d *database) map[string]func(participant.Call, participant.Effect) (string, error) {
	m, b := newManual(t, d), participant.NewBarrier(d.DB, d.dialect)
	return map[string]func(participant.Call, participant.Effect) (string, error){
		"manual": func(c participant.Call, effect participant.Effect) (string, error) {
			return m.call(t.Context(), c, func(tx *sql.Tx) (bool, string, error) {
				a, err := effect(t.Context(), tx)
				return a.Refused, string(a.Body), err
			})
		},
		"library": func(c participant.Call, effect participant.Effect) (string, error) {
			if c.Operation == participant.Query {
				fate, err := b.Query(t.Context(), c)
				return strings.TrimSpace(fate.Outcome + " " + string(fate.Output)), err
			}
			a, err := b.Do(t.Context(), c, effect)
			return string(a.Body), err
		},
	}
}

func refusesTheCall(err error) bool {
	return errors.Is(err, errManualReused) || errors.Is(err, participant.ErrKeyReused) || errors.Is(err, errManualHanging) || errors.Is(err, errManualNothing) || errors.Is(err, participant.ErrHanging) || errors.Is(err, participant.ErrNothingToConfirm)
}

// TestTheManualsSQL holds the manual's statements to the four cases, and to this: what
// one of the two barriers has written, the other reads.
func TestTheManualsSQL(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.exec(t, "DROP TABLE backstep_barrier") // the manual makes its own
		both := barriers(t, d)
		for _, pair := range [][2]string{{"manual", "manual"}, {"manual", "library"}, {"library", "manual"}} {
			first, second := both[pair[0]], both[pair[1]]
			step := func(name string) string { return name + "-" + pair[0] + "-" + pair[1] }
			answers := func(do func(participant.Call, participant.Effect) (string, error), c participant.Call, effect participant.Effect, want string) {
				t.Helper()
				if got, err := do(c, effect); err != nil || got != want {
					t.Errorf("%v: %s is answered %q, %v; want %q", pair, c.Key, got, err, want)
				}
			}
			refused := func(c participant.Call) {
				t.Helper()
				if got, err := second(c, never(t)); !refusesTheCall(err) {
					t.Errorf("%v: %s is answered %q, %v", pair, c.Key, got, err)
				}
			}
			// A duplicate, and its undo.
			s := step("done")
			answers(first, forward(s), d.book(forward(s), "1"), "1")
			answers(second, forward(s), never(t), "1")
			answers(second, query(s), never(t), "SUCCEEDED 1")
			answers(first, confirm(s), d.book(confirm(s), "2"), "2")
			answers(second, confirm(s), never(t), "2")
			answers(first, compensate(s), d.book(compensate(s), "3"), "3")
			answers(second, compensate(s), never(t), "3")
			answers(second, call(participant.Compensate, s, ":compensate-2"), never(t), "3")
			answers(second, query(s), never(t), "UNKNOWN")
			// A refusal.
			s = step("refused")
			answers(first, forward(s), d.refuse(forward(s), "no"), "no")
			answers(second, forward(s), never(t), "no")
			if n := d.lines(t, s, participant.Forward); n != 0 {
				t.Errorf("%v: %d lines of what was refused", pair, n)
			}
			s = step("refused-undo")
			answers(first, forward(s), d.book(forward(s), "1"), "1")
			answers(first, compensate(s), d.refuse(compensate(s), "no"), "no")
			answers(second, compensate(s), d.book(compensate(s), "2"), "2")
			// An undo of nothing, and a call that comes after it.
			s = step("void")
			answers(first, compensate(s), never(t), "{}")
			answers(second, compensate(s), never(t), "{}")
			refused(forward(s))
			refused(call(participant.Forward, s, "~2"))
			// A call after its query.
			s = step("asked")
			answers(first, query(s), never(t), "FAILED")
			answers(second, query(s), never(t), "FAILED")
			refused(forward(s))
			refused(confirm(step("never")))
			// A key that was used for something else.
			s = step("other")
			c := forward(s)
			c.State, c.Subject = "Übergabe an %", "order 17"
			answers(first, c, d.book(c, "1"), "1")
			answers(second, c, never(t), "1")
			for _, c := range []participant.Call{c, compensateOf(c)} {
				c.Subject = "order 18"
				refused(c)
				c.State, c.Subject = "Charge", "order 17"
				refused(c)
			}
		}
	})
}

func TestTheManualsSQLAndManyCallers(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		both := barriers(t, d)
		c := forward("s-1")
		var fresh atomic.Int32
		var all sync.WaitGroup
		for caller := range callers {
			do := both[[]string{"manual", "library"}[caller%2]]
			all.Go(func() {
				_, err := do(c, func(ctx context.Context, tx *sql.Tx) (participant.Answer, error) {
					fresh.Add(1)
					time.Sleep(5 * time.Millisecond)
					return answer(200, "done"), d.write(ctx, tx, c)
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := d.lines(t, "s-1", participant.Forward); n != 1 || fresh.Load() != 1 {
			t.Errorf("%d lines, %d effects", n, fresh.Load())
		}
	})
}

// TestTheManualsOtherSQL: a purge takes a whole step, a recorded message is sent, and
// the manual's tables are the library's.
func TestTheManualsOtherSQL(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		m := newManual(t, d)
		run := func(name string, parameters map[string]any) {
			t.Helper()
			tx, err := d.Begin()
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := m.query(t.Context(), tx, name, parameters); err != nil {
				t.Fatal(err)
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
		}
		b := participant.NewBarrier(d.DB, d.dialect)
		do(t, b, forward("s-1"), d.book(forward("s-1"), "1"), "1")
		do(t, b, compensate("s-1"), d.book(compensate("s-1"), "1"), "1")
		run("purge", map[string]any{"step": "s-1"})
		if n := d.number(t, "SELECT COUNT(*) FROM backstep_barrier"); n != 0 {
			t.Errorf("%d rows", n)
		}
		run("record", map[string]any{"lane": "order-1", "operation": "SendTaskSuccess", "input": `{"taskToken":"t","output":"{}"}`, "now": time.Now().UnixMilli()})
		p := &post{}
		pass(t, &participant.Relay{Outbox: participant.NewOutbox(d.DB, d.dialect), Send: p.send})
		if got := fmt.Sprint(p.got); got != "[SendTaskSuccess t]" {
			t.Errorf("sent %s", got)
		}
		table, _, _ := strings.Cut(blocks(t)[d.dialect.String()], "\n-- lock")
		if !strings.HasPrefix(participant.Schema(d.dialect), table) {
			t.Errorf("the manual's table is not the library's:\n%s", table)
		}
	})
}

// TestTheManualsProgram runs the program in Python, and calls it as the manual does.
func TestTheManualsProgram(t *testing.T) {
	for _, program := range []string{"python3", "bash", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("SKIPPED, the manual's program in Python is not tested: " + err.Error())
		}
	}
	dir := t.TempDir()
	all := blocks(t)
	if err := os.WriteFile(filepath.Join(dir, "participant.py"), []byte(all["barrier"]), 0o600); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(free.Addr().String())
	free.Close()
	script := strings.ReplaceAll(all["try"], "9000", port)
	// What the manual does not show: refusals, a query, many at once.
	script = strings.Replace(script, `-H "Idempotency-Key: $2"`, `-H "Idempotency-Key: $2" -H "Backstep-State: $state"`, 1)
	script = strings.Replace(script, "kill %1", `echo more
		call reserve s-3 forward s-3; call reserve s-4 forward s-4; call reserve s-5 forward s-5; call reserve s-6 forward s-6; call reserve s-6 forward s-6
		call reserve "" query s-5; call reserve "" query s-7; call reserve s-7 forward s-7; call reserve "a b" forward "a b"
		for i in $(seq 10); do call release s-5:compensate compensate s-5 & done; wait $(jobs -p | tail -n +2)
		state=Reserve; call reserve s-8 forward s-8; state=Cancel; call reserve s-8 forward s-8; call release s-8:compensate compensate s-8; call reserve "" query s-8; state=Reserve; call release s-8:compensate compensate s-8
		kill %1`, 1)
	cmd := exec.Command("bash", "-c", "trap 'kill $(jobs -p) 2>/dev/null' EXIT\n"+script)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	reserved, released, no := `{"reserved": "mug"}`, `{"released": "mug"}`, `{"error": "OutOfStock"}`
	want := []string{reserved, reserved, released, "{}", `{"error": "Barrier.Hanging"}`, "more",
		reserved, reserved, reserved, no, no,
		`{"Outcome": "SUCCEEDED", "Output": {"reserved": "mug"}}`, `{"Outcome": "FAILED"}`, `{"error": "Barrier.Hanging"}`, `{"error": "not a call of Backstep"}`}
	for range 10 {
		want = append(want, released)
	}
	reused := `{"error": "Barrier.KeyReused"}`
	want = append(want, reserved, reused, reused, reused, released)
	got := strings.FieldsFunc(strings.ReplaceAll(string(out), "}{", "}\n{"), func(r rune) bool { return r == '\n' })
	if !slices.Equal(got, want) {
		t.Errorf("it says\n%s\nwant\n%s", out, strings.Join(want, "\n"))
	}
	db := open(t, "sqlite", "file:"+filepath.Join(dir, "stock.db"))
	var mugs int
	if err := db.QueryRow("SELECT free FROM stock").Scan(&mugs); err != nil || mugs != 1 {
		t.Errorf("%d mugs are free, %v; want 1", mugs, err)
	}
}
