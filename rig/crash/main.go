// Command crash kills a server again and again under a load of order sagas, and
// checks in the end that nothing that was acknowledged is lost, that every
// history is whole, and that the money of every order balances. It knows the
// server by its command line and its API alone, and nothing of how it keeps
// what it promises.
//
// Read main.go, then definition.go (the saga), shop.go (its participants and
// the ledger), server.go (the process), load.go (clients and their journal),
// check.go, history.go, report.go, and control.go (the bug that must be found).
package main

import "log"

func main() {
	log.SetFlags(0)
	log.SetPrefix("crash: ")
	log.Print(definition("arn:aws:states:us-east-1:123456789012:activity:"+activity))
}
