package cli

import (
	"strconv"

	"github.com/backstep/backstep/api"
)

// nodes lists the processes that use the server's store.
type nodes struct{}

// Help is the long help of nodes.
func (nodes) Help() string {
	return `A node that has not been seen for 10 seconds is gone; others take its shards. With the
embedded store there is one.

Examples:
  backstep nodes
  backstep nodes --json | jq -r '.[] | select(.alive | not) | .name'`
}

// Run lists them.
func (nodes) Run(s *session) error {
	svc, err := s.service()
	if err != nil {
		return err
	}
	out, err := svc.ListNodes(s.ctx, &api.ListNodesInput{})
	if err != nil {
		return err
	}
	rows := [][]string{{"NODE", "VERSION", "ADDRESS", "SINCE", "SHARDS", "LAST SEEN"}}
	for _, n := range out.Nodes {
		seen := took(n.LastSeen, &out.Now) + " ago"
		if !n.Alive {
			seen += ", gone"
		}
		rows = append(rows, []string{n.Name, n.Version, n.Address, when(n.Since), strconv.Itoa(n.Shards) + " of " + strconv.Itoa(n.TotalShards), seen})
	}
	return s.printList(out.Nodes, rows)
}
