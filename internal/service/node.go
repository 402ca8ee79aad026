package service

import (
	"context"
	"time"

	"github.com/backstep/backstep/api"
)

// ListNodes answers which processes use the store.
func (s *Service) ListNodes(ctx context.Context, _ *api.ListNodesInput) (*api.ListNodesOutput, error) {
	nodes, now, err := s.Engine.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	out := &api.ListNodesOutput{Nodes: []api.Node{}, Now: api.TimestampOf(time.UnixMilli(now))}
	total := int(s.Store.Identity().Shards)
	for _, n := range nodes {
		out.Nodes = append(out.Nodes, api.Node{
			Name: n.Name, Version: n.Version, Address: n.Address,
			Since: api.TimestampOf(time.UnixMilli(n.Since)), LastSeen: api.TimestampOf(time.UnixMilli(n.Seen)),
			Alive: s.Engine.IsAlive(&n, now), Shards: n.Shards, TotalShards: total,
		})
	}
	return out, nil
}
