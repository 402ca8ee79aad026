package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
	"github.com/backstep/backstep/rig/host"
)

// cluster is three nodes on hosts of their own over one database, which is a
// pair on two more. Clients and participants are on another, with this process.
type cluster struct {
	*rig
	site  *site
	nodes []*node
	front *balancer
	url   string // of the balancer
	rest  context.CancelFunc

	versions  *versions // of the server, where it is upgraded; else nil
	befell    map[string]int
	takeovers []time.Duration // from a node's end until all its shards were others'
	refused   int64           // writes that the database refused before, on account of other clusters
	zombies   int64           // writes of this one's zombies that it refused
}

// node is one server of the cluster.
type node struct {
	server
	host *host.Host
}

// site is where clusters are: the hosts and the database.
type site struct {
	network   *host.Network
	here      *host.Host
	hosts     []*host.Host // of nodes
	databases [2]*host.Host
	pair      *host.Pair
}

// nodesOfCluster are how many nodes there are.
const nodesOfCluster = 3

const nodePort = "8083"

// fenced is the code with which a write is refused whose shard is another node's
// by then.
const fenced = "BS002"

// The key with which clients of nodes sign.
const (
	keyID     = "AKIDRIG"
	keySecret = "the-rig-signs-with-it"
)

// siteHosts are the names of a site's hosts in their order; the first is this
// process's.
var siteHosts = []string{"clients", "n1", "n2", "n3", "db1", "db2"}

// enterSite is the site whose hosts are there, for the process on its first one.
// It starts the database in dir.
func enterSite(ctx context.Context, name, dir string) (*site, error) {
	n := host.Attach(name, siteHosts...)
	hosts := n.Hosts()
	s := &site{network: n, here: hosts[0], hosts: hosts[1 : 1+nodesOfCluster], databases: [2]*host.Host(hosts[1+nodesOfCluster:])}
	base := filepath.Join(dir, "postgres")
	err := errors.Join(os.Chmod(dir, 0o755), os.MkdirAll(base, 0o755)) // for the user that PostgreSQL runs as
	if err != nil {
		return nil, err
	}
	s.pair, err = host.OpenPair(ctx, base, s.databases[0], s.databases[1])
	return s, err
}

// newCluster is a cluster over a new database of the site. participants are
// where the functions are.
func newCluster(r *rig, participants string, functions []string) (*cluster, error) {
	s := r.config.site
	ctx, rest := context.WithCancel(context.Background())
	c := &cluster{rig: r, site: s, rest: rest, befell: map[string]int{}}
	if r.config.before != "" {
		c.versions = &versions{programs: map[string]string{versionBefore: r.config.before, versionNow: r.config.backstep}}
	}
	if err := s.pair.Create(ctx, r.config.name); err != nil {
		return nil, err
	}
	var err error
	if c.refused, err = s.pair.Errors(fenced); err != nil {
		return nil, err
	}
	var addresses []string
	for _, h := range s.hosts {
		addresses = append(addresses, net.JoinHostPort(h.Address, nodePort))
	}
	c.front = newBalancer(addresses, newChance(r.config.seed, 6))
	if c.url, err = c.front.listen(ctx, s.here.Address); err != nil {
		return nil, err
	}
	for i, h := range s.hosts {
		own := filepath.Join(r.config.dir, h.Name)
		if err := os.MkdirAll(own, 0o755); err != nil {
			return nil, err
		}
		more := fmt.Sprintf("keys: {%s: %s}\nhosts: [%s]\n", keyID, keySecret, s.here.Address)
		if err := writeConfig(own, participants, functions, more); err != nil {
			return nil, err
		}
		c.nodes = append(c.nodes, &node{host: h, server: server{
			program: r.config.backstep, listen: addresses[i], dir: own, store: []string{"--postgres", s.pair.DSN(r.config.name)},
			command: h.Command,
		}})
	}
	return c, nil
}

// clients call the balancer. Where nodes restart, clients try as often as AWS's do by
// themselves, which hides it.
func (c *cluster) clients() (load, checker *client.Client, err error) {
	to := client.Config{Region: region, Endpoint: c.url, Credentials: credentials()}
	if checker, err = client.New(to); err != nil {
		return nil, nil, err
	}
	if to.Attempts = 1; c.drains() {
		to.Attempts = 3
	}
	load, err = client.New(to)
	return load, checker, err
}

// drains reports whether nodes go only by being told to, which fails no call that is
// made again.
func (c *cluster) drains() bool { return c.config.shape == "restart" || c.config.shape == "upgrade" }

// begin starts all nodes and waits for them.
func (c *cluster) begin(ctx context.Context) error {
	if c.versions != nil {
		if err := c.versions.prepare(ctx, c); err != nil {
			return err
		}
	}
	for _, n := range c.nodes {
		if err := n.spawn(); err != nil {
			return fmt.Errorf("%w: build it first: make build", err)
		}
	}
	for _, n := range c.nodes {
		if _, err := n.awaitReady(ctx); err != nil {
			return fmt.Errorf("node %s: %w", n.host.Name, err)
		}
	}
	return nil
}

// others tells whether all shards are those of other nodes than one, as another
// node tells.
func (c *cluster) others(ctx context.Context, asked, than *node) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	service, err := client.New(client.Config{Endpoint: asked.endpoint(), Region: region, Attempts: 1, Credentials: credentials()})
	if err != nil {
		return false, err
	}
	defer service.Close()
	out, err := service.ListNodes(ctx, &api.ListNodesInput{})
	if err != nil {
		return false, err
	}
	owned, total := 0, -1
	for _, n := range out.Nodes {
		total = n.TotalShards
		if n.Alive && n.Address != than.listen {
			owned += n.Shards
		}
	}
	return owned == total, nil
}

func credentials() client.Credentials {
	return client.Credentials{AccessKeyID: keyID, SecretAccessKey: keySecret}
}

// end lets the nodes drain, or, where something still runs, shows what they are at.
func (c *cluster) end(context.Context) {
	if c.versions != nil {
		if err := c.versions.count(c); err != nil {
			c.fault("%v", err)
		}
	}
	if len(c.running) > 0 {
		c.expose()
	} else if err := c.stop(); err != nil {
		c.fault("%v", err)
	}
	c.close()
	refused, err := c.site.pair.Errors(fenced)
	if err != nil {
		c.fault("%v", err)
		return
	}
	c.zombies = refused - c.refused
}

func (c *cluster) drop() {
	c.expose()
	c.close()
}

// stop lets all nodes drain.
func (c *cluster) stop() error {
	var all []error
	for _, n := range c.nodes {
		if n.cmd != nil {
			all = append(all, n.stop())
		}
	}
	return errors.Join(all...)
}

// expose ends all nodes so that their logs show what each goroutine is at.
func (c *cluster) expose() {
	for _, n := range c.nodes {
		if n.cmd != nil && n.cmd.Process != nil {
			n.cmd.Process.Signal(syscall.SIGCONT)
			n.cmd.Process.Signal(syscall.SIGQUIT)
			<-n.exited
		}
	}
}

// close takes the cluster away, whatever its nodes do.
func (c *cluster) close() {
	for _, n := range c.nodes {
		if n.cmd != nil && n.cmd.Process != nil {
			n.cmd.Process.Kill()
			<-n.exited
		}
	}
	c.rest()
	c.front.close()
}

func (c *cluster) logs() (files []string) {
	for _, n := range c.nodes {
		files = append(files, n.logFile())
	}
	return files
}
