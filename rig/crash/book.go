package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
)

// book is a file of JSON lines that is only ever written at its end. A line is
// synced before write returns; lines that come at once share a sync. Many may
// write at once, to the end of the process: a book is never closed.
type book struct {
	file *os.File

	mu            sync.Mutex
	synced        *sync.Cond
	lines         []byte // not written yet
	came, durable int64  // lines
	busy          bool   // somebody writes and syncs
}

func openBook(path string) (*book, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	b := &book{file: file}
	b.synced = sync.NewCond(&b.mu)
	return b, nil
}

// write adds a line. It panics where that fails: a rig whose books have gaps
// proves nothing.
func (b *book) write(record any) {
	line, err := json.Marshal(record)
	if err != nil {
		panic(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(append(b.lines, line...), '\n')
	b.came++
	for mine := b.came; b.durable < mine; {
		if b.busy {
			b.synced.Wait()
		} else {
			b.sync()
		}
	}
}

// sync makes all lines durable that have come. The lock is free meanwhile.
func (b *book) sync() {
	lines, upTo := b.lines, b.came
	b.lines, b.busy = nil, true
	b.mu.Unlock()
	_, err := b.file.Write(lines)
	if err == nil {
		err = b.file.Sync()
	}
	b.mu.Lock()
	if err != nil {
		panic(fmt.Errorf("%s: %w", b.file.Name(), err))
	}
	b.busy, b.durable = false, upTo
	b.synced.Broadcast()
}

// readBook reads all lines of a book.
func readBook[Line any](path string) ([]Line, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var all []Line
	for d := json.NewDecoder(bufio.NewReader(file)); ; {
		var line Line
		switch err := d.Decode(&line); {
		case err == io.EOF:
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("%s, line %d: %w", path, len(all)+1, err)
		}
		all = append(all, line)
	}
}
