// Package participant is for a service that takes part in a saga: it reads what
// Backstep tells with a call, gives the call one effect however often it comes,
// and hands on what the service wants of Backstep in return.
//
//   - [Call] is what comes with a call: by HTTP, in a message, to a function.
//   - [Barrier] stands before the service's work, in the service's own
//     transaction: a repeat gets the first answer, an undo of what never was does
//     nothing, and a call that comes after its undo is refused.
//     [Barrier.Wrap] is the same for an HTTP handler.
//   - [Outbox] keeps starts of executions and completions of tasks in the
//     service's own transaction; [Relay] sends them.
//
// It speaks to PostgreSQL 10 and later, MySQL 8 and MariaDB 10.6 and later, and
// SQLite 3.24 and later, through database/sql and whatever driver the service
// has. It imports the standard library alone. It refuses to know what a service
// does, and how Backstep is reached.
//
// Read call.go first, then barrier.go, past.go (what was, and what follows),
// query.go, handler.go, retention.go; outbox.go and relay.go; dialect.go has all
// the SQL.
package participant
