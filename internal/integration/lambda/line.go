package lambda

import (
	"bufio"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A process is spoken to by hand: an invocation costs two requests, and a server
// for everyone costs more of the processor than the turn that the invocation
// belongs to. An invocation is written by whoever brings it, so that nothing is
// woken to pass it on.

// lines are the connections to one process's Runtime API.
type lines struct {
	listener net.Listener
	process  *process
	open     sync.WaitGroup

	mu  sync.Mutex
	all map[*line]bool // nil: closed
}

// Bounds of a line.
const (
	maxLines      = 64 // at once to one process
	maxHead       = 64 << 10
	writeMost     = 10 * time.Second
	lastWordsMost = time.Second
)

// serve answers the process on its own listener.
func (p *process) serve(listener net.Listener) *lines {
	ls := &lines{listener: listener, process: p, all: map[*line]bool{}}
	ls.open.Go(ls.accept)
	return ls
}

func (ls *lines) accept() {
	for {
		conn, err := ls.listener.Accept()
		if err != nil {
			return
		}
		l := &line{process: ls.process, conn: conn}
		l.in = bufio.NewReader(&l.head)
		l.head.from = conn
		if !ls.add(l) {
			conn.Close()
			continue
		}
		ls.open.Go(func() {
			defer ls.remove(l)
			l.serve()
		})
	}
}

func (ls *lines) add(l *line) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.all == nil || len(ls.all) == maxLines {
		return false
	}
	ls.all[l] = true
	return true
}

func (ls *lines) remove(l *line) {
	l.conn.Close()
	ls.mu.Lock()
	defer ls.mu.Unlock()
	delete(ls.all, l)
}

// drain lets answers that the process sent before its end arrive.
func (ls *lines) drain() {
	ls.listener.Close()
	ls.mu.Lock()
	for l := range ls.all {
		l.conn.SetReadDeadline(time.Now().Add(lastWordsMost)) // the process's own end sooner
	}
	ls.mu.Unlock()
	ls.open.Wait()
}

func (ls *lines) close() {
	ls.listener.Close()
	ls.mu.Lock()
	for l := range ls.all {
		l.conn.Close()
	}
	ls.all = nil
	ls.mu.Unlock()
	ls.open.Wait()
}

// line is one connection. Its goroutine reads; a process that asks for work on
// it is written to by whoever brings some.
type line struct {
	process *process
	conn    net.Conn
	head    bounded
	in      *bufio.Reader
	body    []byte // of the last payload, to be written over

	writing sync.Mutex
	out     []byte
	until   time.Time // the deadline that is set for writing
}

// bounded reads no more than left bytes.
type bounded struct {
	from io.Reader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, http.ErrContentLength
	}
	n, err := b.from.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// serve answers request after request.
func (l *line) serve() {
	for {
		l.head.left = maxHead
		r, err := l.read()
		if asked := l.process.fleet.leaves(l.process, l); asked || err != nil {
			return // it hung up, or speaks before it was answered
		}
		l.head.left = math.MaxInt // who reads a body has bounds of his own
		var goesOn bool
		switch {
		case r.http != nil:
			goesOn = l.other(r.http)
		case r.answers != "":
			goesOn = l.payload(r)
		default:
			goesOn = l.next()
		}
		if !goesOn {
			return
		}
	}
}

// other answers a request that is not in the plain form.
func (l *line) other(r *http.Request) bool {
	if strings.EqualFold(r.Header.Get("Expect"), "100-continue") && !l.goAhead() {
		return false
	}
	goesOn := l.answer(r)
	l.head.left = maxHead
	return r.Body.Close() == nil && goesOn && !r.Close
}

// goAhead lets the process send a body that it has asked to send.
func (l *line) goAhead() bool {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.send([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
}

// header is a line of an answer's head. Empty ones are left out.
type header struct{ name, value string }

// write writes an answer of JSON. It reports whether the whole of it was sent.
func (l *line) write(status int, headers []header, body string) bool {
	l.writing.Lock()
	defer l.writing.Unlock()
	out := append(l.out[:0], "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(status), 10)
	out = append(out, ' ')
	out = append(out, http.StatusText(status)...)
	out = append(out, "\r\nContent-Type: application/json\r\nContent-Length: "...)
	out = strconv.AppendInt(out, int64(len(body)), 10)
	for _, h := range headers {
		if h.value != "" {
			out = append(out, "\r\n"...)
			out = append(out, h.name...)
			out = append(out, ": "...)
			out = appendField(out, h.value)
		}
	}
	out = append(out, "\r\n\r\n"...)
	out = append(out, body...)
	if l.out = out; cap(out) > maxHead {
		l.out = nil
	}
	return l.send(out)
}

// appendField appends a header's value on one line, whatever is in it.
func appendField(out []byte, value string) []byte {
	at := len(out)
	out = append(out, value...)
	for i, c := range out[at:] {
		if c < ' ' && c != '\t' || c == 0x7F {
			out[at+i] = ' '
		}
	}
	return out
}

// send sends bytes; the lock is held. A process that does not read them for long, half of writeMost
// at least, is killed.
func (l *line) send(bytes []byte) bool {
	if now := time.Now(); l.until.Sub(now) < writeMost/2 {
		l.until = now.Add(writeMost)
		l.conn.SetWriteDeadline(l.until)
	}
	_, err := l.conn.Write(bytes)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		l.process.signal(syscall.SIGKILL)
	}
	if err != nil {
		l.conn.Close()
	}
	return err == nil
}
