package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The two versions of a cluster that is upgraded.
const (
	versionBefore = "before"
	versionNow    = "now"
)

// versions is a cluster of two versions of the server, and what the database tells of
// them: whose shards they were, and who left mail for whom.
type versions struct {
	programs map[string]string // by the version
	all      string            // that all nodes are of; they begin as those before
	claims   map[string]int    // of shards, by the version that made them
	mail     map[string]int    // messages, by "left > heard" of the versions
	unheard  int               // messages that lie in inboxes at the end
}

// watch has the database note which version claims a shard, leaves a message and takes
// it out. A version is told by the address of the session's node.
const watch = `
CREATE SCHEMA rig;
CREATE TABLE rig.nodes (address inet PRIMARY KEY, version text);
CREATE TABLE rig.claims (shard integer, version text);
CREATE TABLE rig.sent (seq bigint PRIMARY KEY, version text);
CREATE TABLE rig.heard (seq bigint PRIMARY KEY, version text);
CREATE FUNCTION rig.version() RETURNS text LANGUAGE sql AS $$ SELECT version FROM rig.nodes WHERE address = host(inet_client_addr())::inet $$;
CREATE FUNCTION rig.claim() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO rig.claims VALUES (NEW.shard, rig.version()); RETURN NULL;
END $$;
CREATE FUNCTION rig.send() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO rig.sent VALUES (NEW.seq, rig.version()); RETURN NULL;
END $$;
CREATE FUNCTION rig.hear() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO rig.heard VALUES (OLD.seq, rig.version()); RETURN NULL;
END $$;
CREATE TRIGGER rig_claims AFTER INSERT ON backstep.leases FOR EACH ROW EXECUTE FUNCTION rig.claim();
CREATE TRIGGER rig_reclaims AFTER UPDATE ON backstep.leases FOR EACH ROW WHEN (NEW.epoch > OLD.epoch) EXECUTE FUNCTION rig.claim();
CREATE TRIGGER rig_sends AFTER INSERT ON backstep.messages FOR EACH ROW EXECUTE FUNCTION rig.send();
CREATE TRIGGER rig_hears AFTER DELETE ON backstep.messages FOR EACH ROW EXECUTE FUNCTION rig.hear()`

// prepare has the version before make its tables, and watches them.
func (v *versions) prepare(ctx context.Context, c *cluster) error {
	v.all = versionBefore
	n := c.nodes[0]
	migrate := n.host.Command(ctx, v.programs[versionBefore], append([]string{"migrate"}, n.store...)...)
	if out, err := migrate.CombinedOutput(); err != nil {
		return fmt.Errorf("%s migrate: %w: %s", v.programs[versionBefore], err, strings.TrimSpace(string(out)))
	}
	if _, err := c.site.pair.Ask(ctx, c.config.name, watch); err != nil {
		return err
	}
	for _, n := range c.nodes {
		if err := v.mark(ctx, c, n, versionBefore); err != nil {
			return err
		}
	}
	return nil
}

// mark has a node be of a version from its next start on.
func (v *versions) mark(ctx context.Context, c *cluster, n *node, version string) error {
	n.program = v.programs[version]
	_, err := c.site.pair.Ask(ctx, c.config.name, fmt.Sprintf(
		"INSERT INTO rig.nodes VALUES ('%s', '%s') ON CONFLICT (address) DO UPDATE SET version = excluded.version", n.host.Address, version))
	return err
}

// upgrade rolls the cluster node by node to the other version, with a step back in
// the midst: to the present one, and, when that is done, back.
func (c *cluster) upgrade(ctx context.Context, chance *chance) error {
	from, to, step := versionBefore, versionNow, "upgraded"
	if c.versions.all == versionNow {
		from, to, step = versionNow, versionBefore, "downgraded"
	}
	nodes := slices.Clone(c.nodes)
	for i := range nodes {
		j := i + chance.below(len(nodes)-i)
		nodes[i], nodes[j] = nodes[j], nodes[i]
	}
	for i, n := range nodes {
		steps := []string{to}
		if i == 1 { // of the others one is of either version
			steps = []string{to, from, to}
		}
		for _, version := range steps {
			if err := c.become(ctx, n, version); err != nil {
				return err
			}
			pause(ctx, chance.between(time.Second, 3*time.Second))
		}
	}
	c.versions.all = to
	c.befell[step]++
	return ctx.Err()
}

// become restarts a node as one of a version.
func (c *cluster) become(ctx context.Context, n *node, version string) error {
	if err := n.stop(); err != nil {
		return err
	}
	if err := c.versions.mark(ctx, c, n, version); err != nil {
		return err
	}
	if err := n.spawn(); err != nil {
		return err
	}
	if _, err := n.awaitReady(ctx); err != nil {
		return fmt.Errorf("version %q: %w", version, err)
	}
	c.befell["restarts as "+version]++
	return nil
}

// unheardPatience is how long mail may lie in an inbox when nothing runs any more.
const unheardPatience = 15 * time.Second

// count asks the database what it noted, when all mail has been heard.
func (v *versions) count(c *cluster) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*unheardPatience)
	defer cancel()
	ask := func(what string) (map[string]int, error) {
		out, err := c.site.pair.Ask(ctx, c.config.name, what)
		return countsOf(out), err
	}
	var problems [3]error
	for began := time.Now(); ; pause(ctx, time.Second) {
		var left map[string]int
		left, problems[0] = ask("SELECT 'left', count(*) FROM backstep.messages")
		if v.unheard = left["left"]; v.unheard == 0 || time.Since(began) > unheardPatience {
			break
		}
	}
	v.claims, problems[1] = ask("SELECT version, count(*) FROM rig.claims GROUP BY 1")
	v.mail, problems[2] = ask("SELECT s.version || ' > ' || h.version, count(*) FROM rig.sent s JOIN rig.heard h USING (seq) GROUP BY 1")
	return errors.Join(problems[:]...)
}

// countsOf reads lines of a name and a number.
func countsOf(lines string) map[string]int {
	all := map[string]int{}
	for line := range strings.Lines(lines) {
		if name, number, ok := strings.Cut(strings.TrimSpace(line), "|"); ok {
			all[name], _ = strconv.Atoi(number)
		}
	}
	return all
}

func (v *versions) tell(w io.Writer) {
	fmt.Fprintf(w, "shards claimed     %s\n", counts(v.claims))
	fmt.Fprintf(w, "mail (left > heard) %s; %d not heard\n", counts(v.mail), v.unheard)
}

// lacking is what of two versions side by side a run has not shown, and what it must
// not show.
func (v *versions) lacking() (faults []string) {
	for from, to := range map[string]string{versionBefore: versionNow, versionNow: versionBefore} {
		if v.claims[from] == 0 {
			faults = append(faults, fmt.Sprintf("the version %q never owned a shard: the run proves nothing", from))
		}
		if v.mail[from+" > "+to] == 0 {
			faults = append(faults, fmt.Sprintf("no mail of the version %q was heard by the other: the run proves nothing", from))
		}
	}
	if v.unheard > 0 {
		faults = append(faults, fmt.Sprintf("%d messages still lie in inboxes %s after all has ended", v.unheard, unheardPatience))
	}
	return faults
}
