package cli

import "fmt"

// restore makes a store of a backup.
type restore struct {
	File string `arg:"" optional:"" help:"The backup. None, with --postgres: the database was restored by PostgreSQL's own means, and is to know it."`
	Place
}

// Help is the long help of restore.
func (restore) Help() string {
	return `The backup is read and checked to its end, then written where nothing is yet, then
read back. What was handed out before is handed out again: task tokens from before
are refused, tasks and calls whose outcome was awaited are offered anew, under the
same step ids. What participants did after the backup was taken, the store does not
know: it is done again under the same step id, or not at all.

After pg_restore, or a recovery to a point in time, say so before a server starts:
restore --postgres DSN without a file.

Examples:
  backstep restore backstep-2026-11-30.backup --data ./data
  backstep restore backstep-2026-11-30.backup --postgres postgres://backstep@localhost/backstep
  backstep restore --postgres postgres://backstep@localhost/backstep`
}

// Run restores.
func (v *restore) Run(s *session) error {
	switch {
	case v.Data == "" && v.Postgres == "":
		return usagef("say where to: --data DIR or --postgres DSN")
	case v.File == "" && v.Postgres == "":
		return usagef("name the backup to restore")
	}
	shown := s.meter()
	done, err := s.Keeper.Restore(s.ctx, v.File, v.Place, shown.rows)
	shown.clear()
	if err != nil {
		return err
	}
	if s.JSON {
		return s.printJSON(done)
	}
	if v.File != "" {
		taken := done.Taken.Local().Format("2006-01-02 15:04:05")
		fmt.Fprintf(s.Stdout, "%s holds %d executions, %d rows, as they were at %s\n", v.Place, done.Executions, done.Rows, taken)
		fmt.Fprintf(s.Stdout, "Reconcile with your participants: what took effect after %s, the store does not know.\n", taken)
	}
	fmt.Fprintf(s.Stdout, "Restore epoch %d: task tokens from before are refused; %d tasks and calls are handed out again, under the same step ids.\n", done.RestoreEpoch, done.Reoffered)
	return nil
}
