// Package host makes machines of network namespaces on one bridge, and a
// PostgreSQL with a synchronous standby that run on two of them: what a test of
// several nodes takes apart. It needs root, and Debian's iproute2, nftables and
// postgresql. It knows no Backstep.
//
// Read network.go (hosts, and what can be done to their links), database.go.
package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Network is a bridge with hosts on it. Its addresses are 10.99.0.0/24, within
// its own namespaces alone. One may be open on a machine under one name. Its
// methods, and those of its hosts, belong to one goroutine.
type Network struct {
	name  string
	hosts []*Host
}

// Host is a namespace with one link to the bridge.
type Host struct {
	Name    string
	Address string
	space   string // its namespace
	link    string // its link's end at the bridge
	hub     string // the bridge's namespace
}

// Open makes a network. What an earlier one of that name left behind is taken
// away first.
func Open(name string) (*Network, error) {
	n := &Network{name: name}
	n.sweep()
	hub := n.hub()
	err := all(
		[]string{"ip", "netns", "add", hub},
		[]string{"ip", "-n", hub, "link", "add", "bridge", "type", "bridge"},
		[]string{"ip", "-n", hub, "link", "set", "bridge", "up"},
	)
	if err != nil {
		n.Close()
		return nil, fmt.Errorf("make a network (it needs root and iproute2): %w", err)
	}
	return n, nil
}

func (n *Network) hub() string { return "backstep-" + n.name + "-hub" }

// sweep takes all namespaces of the network's name away.
func (n *Network) sweep() {
	out, _ := exec.Command("ip", "netns", "list").Output()
	for line := range strings.Lines(string(out)) {
		space, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(space, "backstep-"+n.name+"-") {
			exec.Command("ip", "netns", "del", space).Run()
		}
	}
}

// Close takes the network away. Whoever still runs on a host is cut off.
func (n *Network) Close() { n.sweep() }

// Attach is a network that another process has opened, with the hosts that it
// added, in their order: for a process that runs on one of them.
func Attach(name string, hosts ...string) *Network {
	n := &Network{name: name}
	for _, h := range hosts {
		n.hosts = append(n.hosts, n.next(h))
	}
	return n
}

// Hosts are those on the network, in the order in which they came.
func (n *Network) Hosts() []*Host { return n.hosts }

// next is the next host to come.
func (n *Network) next(name string) *Host {
	number := len(n.hosts) + 1
	return &Host{
		Name: name, Address: fmt.Sprintf("10.99.0.%d", number), hub: n.hub(),
		space: "backstep-" + n.name + "-" + name, link: fmt.Sprintf("port%d", number),
	}
}

// Add puts a host on the bridge.
func (n *Network) Add(name string) (*Host, error) {
	h := n.next(name)
	err := all(
		[]string{"ip", "netns", "add", h.space},
		[]string{"ip", "-n", h.hub, "link", "add", h.link, "type", "veth", "peer", "name", "eth0", "netns", h.space},
		[]string{"ip", "-n", h.hub, "link", "set", h.link, "master", "bridge"},
		[]string{"ip", "-n", h.hub, "link", "set", h.link, "up"},
		[]string{"ip", "-n", h.space, "addr", "add", h.Address + "/24", "dev", "eth0"},
		[]string{"ip", "-n", h.space, "link", "set", "eth0", "up"},
		[]string{"ip", "-n", h.space, "link", "set", "lo", "up"},
		h.nft("add", "table", "ip", "faults"),
		h.nft("add", "chain", "ip", "faults", "in", "{ type filter hook input priority 0 ; }"),
	)
	if err != nil {
		return nil, fmt.Errorf("make host %s: %w", name, err)
	}
	n.hosts = append(n.hosts, h)
	return h, nil
}

// Command is a program that runs on the host; its process is the program's own.
func (h *Host) Command(ctx context.Context, program string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", h.space, program}, args...)...)
}

// Cut takes the host's link down: nothing comes or goes. Connections stay, and
// go on if it is mended before they give up.
func (h *Host) Cut() error { return all([]string{"ip", "-n", h.hub, "link", "set", h.link, "down"}) }

// Deaf has the host hear nothing of another, who still hears it.
func (h *Host) Deaf(to *Host) error {
	return all(h.nft("add", "rule", "ip", "faults", "in", "ip", "saddr", to.Address, "drop"))
}

// Lossy has the host lose so many of a hundred packets that come to it, at most 99.
func (h *Host) Lossy(percent int) error {
	return all(h.nft("add", "rule", "ip", "faults", "in", "numgen", "random", "mod", "100", "<", fmt.Sprint(percent), "drop"))
}

// Mend ends what Cut, Deaf and Lossy began.
func (h *Host) Mend() error {
	return all(
		[]string{"ip", "-n", h.hub, "link", "set", h.link, "up"},
		h.nft("flush", "chain", "ip", "faults", "in"),
	)
}

func (h *Host) nft(args ...string) []string {
	return append([]string{"ip", "netns", "exec", h.space, "nft"}, args...)
}

// all runs commands until one fails.
func all(commands ...[]string) error {
	for _, c := range commands {
		if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(c, " "), err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// Missing tells what a network or its database needs and this machine or user
// has not; nil: nothing.
func Missing() error {
	if os.Geteuid() != 0 {
		return errors.New("namespaces of the network need root")
	}
	for program, source := range map[string]string{"ip": "iproute2", "nft": "nftables"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w: apt-get install %s", err, source)
		}
	}
	_, err := programs()
	return err
}
