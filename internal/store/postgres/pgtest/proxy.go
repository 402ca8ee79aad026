package pgtest

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Proxy is a way to a server that knows where one message of the protocol ends
// and the next begins, and can be told to spoil the way at one of them. It takes
// one order at a time; there is one connection with traffic while an order stands.
type Proxy struct {
	dir, server string
	listen      net.Listener

	mu    sync.Mutex
	order *Order
	late  sync.WaitGroup // deliveries of Late orders
	conns map[net.Conn]bool
}

// Order is what a proxy does at one message.
type Order struct {
	From  Side
	After int // so many messages of that side pass before it is done
	Do    Deed

	Code, Severity string // of Deny and Betray

	Passed int           // of that side's messages since the order was given
	Done   chan struct{} // closed when it is done
}

// Side is who sends a message.
type Side int

// The sides.
const (
	Client Side = iota
	Server
)

// Deed is what is done at a message.
type Deed int

// The deeds.
const (
	Cut     Deed = iota // both sides lose the connection
	Late                // the client loses it; the server gets what was sent, LateBy later
	Deny                // the client's messages up to its next Sync are answered by an error; the server never gets them
	Betray              // the server's answer up to its next ReadyForQuery is put in the place of an error: it has done all
	Swallow             // both keep the connection, over which nothing arrives any more
)

// LateBy is how late a Late order delivers.
const LateBy = 60 * time.Millisecond

// NewProxy makes a way to the server behind a unix socket.
func NewProxy(socket string) (*Proxy, error) {
	dir, err := os.MkdirTemp("", "backstep-proxy")
	if err != nil {
		return nil, err
	}
	p := &Proxy{dir: dir, server: socket, conns: map[net.Conn]bool{}}
	if p.listen, err = net.Listen("unix", filepath.Join(dir, ".s.PGSQL.5432")); err != nil {
		return nil, err
	}
	go p.accept()
	return p, nil
}

// DSN is how to reach the server by this way.
func (p *Proxy) DSN() string {
	return "host=" + p.dir + " user=postgres dbname=postgres sslmode=disable"
}

// Close ends the way and all that goes over it.
func (p *Proxy) Close() {
	p.listen.Close()
	p.mu.Lock()
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.late.Wait()
	os.RemoveAll(p.dir)
}

// Give gives an order, which stands until it is done or another is given.
func (p *Proxy) Give(o *Order) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o != nil {
		o.Done = make(chan struct{})
	}
	p.order = o
}

// Settle returns when all that is late was delivered.
func (p *Proxy) Settle() { p.late.Wait() }

// CutAll cuts all connections.
func (p *Proxy) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listen.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("unix", p.server)
		if err != nil {
			client.Close()
			continue
		}
		w := &way{proxy: p, client: client, server: server}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		go w.fromClient()
		go w.fromServer()
	}
}

// way is one connection through a proxy.
type way struct {
	proxy          *Proxy
	client, server net.Conn
	mu             sync.Mutex
	betray         *Order // the server's answer is kept back
	isDeaf         bool   // nothing of the server goes to the client any more
}

func (w *way) end() {
	w.client.Close()
	w.server.Close()
	w.proxy.mu.Lock()
	delete(w.proxy.conns, w.client)
	delete(w.proxy.conns, w.server)
	w.proxy.mu.Unlock()
}

// due is the order that is to be done at this message, which it counts.
func (p *Proxy) due(from Side) *Order {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.order
	if o == nil || o.From != from {
		return nil
	}
	if o.Passed < o.After {
		o.Passed++
		return nil
	}
	p.order = nil
	close(o.Done)
	return o
}

func (w *way) fromClient() {
	startup, err := readMessage(w.client, 0)
	if err != nil {
		w.end()
		return
	}
	if _, err := w.server.Write(startup); err != nil {
		w.end()
		return
	}
	for {
		m, err := readMessage(w.client, 1)
		if err != nil {
			w.end()
			return
		}
		if o := w.proxy.due(Client); o != nil {
			switch o.Do {
			case Cut:
				w.end()
				return
			case Late:
				w.deliverLate(m)
				return
			case Deny:
				for m[0] != 'S' && m[0] != 'Q' {
					if m, err = readMessage(w.client, 1); err != nil {
						w.end()
						return
					}
				}
				_, _ = w.client.Write(o.answer())
				continue
			case Betray:
				w.mu.Lock()
				w.betray = o
				w.mu.Unlock()
			case Swallow:
				w.mu.Lock()
				w.isDeaf = true
				w.mu.Unlock()
				_, _ = io.Copy(io.Discard, w.client)
				w.end()
				return
			}
		}
		if _, err := w.server.Write(m); err != nil {
			w.end()
			return
		}
	}
}

// deliverLate lets the client go and gives the server what it had sent.
func (w *way) deliverLate(m []byte) {
	p := w.proxy
	p.late.Add(1)
	w.mu.Lock()
	w.isDeaf = true
	w.mu.Unlock()
	_ = w.client.SetReadDeadline(time.Now().Add(LateBy / 4))
	rest := m
	for {
		m, err := readMessage(w.client, 1)
		if err != nil {
			break
		}
		rest = append(rest, m...)
		if m[0] == 'S' {
			break
		}
	}
	w.client.Close()
	go func() {
		defer p.late.Done()
		defer w.end()
		time.Sleep(LateBy)
		_, _ = w.server.Write(rest)
		time.Sleep(LateBy)
	}()
}

func (w *way) fromServer() {
	for {
		m, err := readMessage(w.server, 1)
		if err != nil {
			w.mu.Lock()
			deaf := w.isDeaf
			w.mu.Unlock()
			if !deaf {
				w.end()
			}
			return
		}
		w.mu.Lock()
		betray, deaf := w.betray, w.isDeaf
		w.mu.Unlock()
		if deaf {
			continue
		}
		if betray != nil {
			if m[0] != 'Z' {
				continue
			}
			w.mu.Lock()
			w.betray = nil
			w.mu.Unlock()
			m = betray.answer()
		}
		if o := w.proxy.due(Server); o != nil {
			w.end()
			return
		}
		if _, err := w.client.Write(m); err != nil {
			w.end()
			return
		}
	}
}

// answer is the error and what ends it.
func (o *Order) answer() []byte {
	var fields []byte
	for _, f := range [][2]string{{"S", o.Severity}, {"V", o.Severity}, {"C", o.Code}, {"M", "so it was ordered"}} {
		fields = append(append(append(fields, f[0]...), f[1]...), 0)
	}
	fields = append(fields, 0)
	m := binary.BigEndian.AppendUint32([]byte{'E'}, uint32(len(fields)+4))
	m = append(m, fields...)
	if o.Severity == "FATAL" {
		return m
	}
	return append(m, 'Z', 0, 0, 0, 5, 'I')
}

// readMessage reads a message with a type of so many bytes before its length.
func readMessage(r io.Reader, typed int) ([]byte, error) {
	head := make([]byte, typed+4)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	length := int(binary.BigEndian.Uint32(head[typed:]))
	m := make([]byte, typed+length)
	copy(m, head)
	_, err := io.ReadFull(r, m[typed+4:])
	return m, err
}
