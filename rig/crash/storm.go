package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// The shapes of trouble that a cluster can be in.
var shapes = map[string]func(*cluster, context.Context, *chance) error{
	"kill":      (*cluster).kill,
	"pause":     (*cluster).pause,
	"partition": (*cluster).partition,
	"restart":   (*cluster).restart,
	"failover":  (*cluster).failover,
	"upgrade":   (*cluster).upgrade,
}

func shapeNames() []string { return slices.Sorted(maps.Keys(shapes)) }

// leaseTime is how long a node has a shard at least since it last said so.
const leaseTime = 10 * time.Second

// takeoverMost is how long shards may be nobody's whose node is gone.
const takeoverMost = leaseTime + 5*time.Second

// suffer makes trouble of one shape until the time is over, and mends all.
func (c *cluster) suffer(ctx context.Context) error {
	over := time.Now().Add(c.config.lasts)
	for {
		pause(ctx, c.chance.between(2*time.Second, 6*time.Second))
		if ctx.Err() != nil || time.Now().After(over) {
			return ctx.Err()
		}
		if err := shapes[c.config.shape](c, ctx, c.chance); err != nil {
			return fmt.Errorf("%s: %w", c.config.shape, err)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// kill ends a node without a warning, and starts it again when its shards are
// others', or before.
func (c *cluster) kill(ctx context.Context, chance *chance) error {
	n := c.nodes[chance.below(len(c.nodes))]
	if err := n.server.kill(); err != nil {
		return err
	}
	c.befell["killed"]++
	if chance.percent(60) {
		c.awaitTakeover(ctx, n)
	} else {
		pause(ctx, chance.between(0, 3*time.Second))
	}
	if err := n.spawn(); err != nil {
		return err
	}
	_, err := n.awaitReady(ctx)
	return err
}

// pause lets a node stand still for longer than its leases last, and go on as
// if nothing had been.
func (c *cluster) pause(ctx context.Context, chance *chance) error {
	n := c.nodes[chance.below(len(c.nodes))]
	n.stand()
	c.befell["paused"]++
	c.awaitTakeover(ctx, n)
	pause(ctx, chance.between(0, 2*leaseTime))
	n.goOn()
	return nil
}

// partition parts a node from all, or so that it and the database hear each
// other in one direction alone, or badly.
func (c *cluster) partition(ctx context.Context, chance *chance) error {
	n := c.nodes[chance.below(len(c.nodes))]
	database := c.site.pair.Primary()
	parted, err := true, error(nil)
	switch chance.below(4) {
	case 0:
		c.befell["parted from all"]++
		err = n.host.Cut()
	case 1:
		c.befell["does not hear the database"]++
		err = n.host.Deaf(database)
	case 2:
		c.befell["is not heard by the database"]++
		err = database.Deaf(n.host)
	default:
		c.befell["loses packets"]++
		parted = false
		err = n.host.Lossy(chance.below(25) + 5)
	}
	if err != nil {
		return err
	}
	if parted {
		c.awaitTakeover(ctx, n)
	}
	pause(ctx, chance.between(leaseTime/2, leaseTime))
	if err := n.host.Mend(); err != nil {
		return err
	}
	return database.Mend()
}

// restart restarts one node after the other, as an upgrade does.
func (c *cluster) restart(ctx context.Context, chance *chance) error {
	for _, n := range c.nodes {
		if err := n.stop(); err != nil {
			return err
		}
		if err := n.spawn(); err != nil {
			return err
		}
		if _, err := n.awaitReady(ctx); err != nil {
			return err
		}
		c.befell["restarted"]++
		pause(ctx, chance.between(time.Second, 3*time.Second))
	}
	return nil
}

// failover has the standby take the database's place, or ends all its sessions,
// or has it crash and come back.
func (c *cluster) failover(ctx context.Context, chance *chance) error {
	switch chance.below(4) {
	case 0:
		c.befell["sessions ended"]++
		return c.site.pair.Disconnect(ctx)
	case 1:
		c.befell["database crashed"]++
		return c.site.pair.Restart(ctx)
	}
	c.befell["failed over"]++
	if err := c.site.pair.Failover(ctx); err != nil {
		return err
	}
	pause(ctx, chance.between(2*time.Second, 6*time.Second))
	return c.site.pair.Rejoin(ctx)
}

// awaitTakeover waits until all shards are those of other nodes than one that
// just left, and notes how long that took.
func (c *cluster) awaitTakeover(ctx context.Context, gone *node) {
	began := time.Now()
	defer func() { c.takeovers = append(c.takeovers, time.Since(began)) }()
	for time.Since(began) < 3*takeoverMost && ctx.Err() == nil {
		for _, n := range c.nodes {
			if n == gone {
				continue
			}
			if taken, err := c.others(ctx, n, gone); err == nil && taken {
				return
			}
		}
		pause(ctx, 100*time.Millisecond)
	}
}
