// Package mutant plants bugs, to see whether those who should find them do. A
// bug is a small text file: which text of which source file becomes which
// other. It is planted with the go command's overlay, so no source is touched
// and none has to know. It knows the standard library alone, and nothing of
// what the bugs are or of who hunts them.
//
// A file reads:
//
//	name: a timer is dropped at a crash
//	breaks: I10, timers are never lost
//	file: internal/engine/timers.go
//	<<<<
//	the text as it stands, exactly once
//	====
//	the text as the bug has it
//	>>>>
//
// There may be several changes, each with its own file line where it is another
// file.
package mutant

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Mutant is one planted bug.
type Mutant struct {
	File    string // where it is written down
	Name    string // what the bug is
	Breaks  string // what does not hold any more
	Changes []Change
}

// Change is one text that becomes another.
type Change struct {
	Path     string // of the source, relative to the module's root
	Old, New string
}

// Load reads all mutants of a folder, in the order of their files' names.
func Load(dir string) ([]Mutant, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	all := make([]Mutant, 0, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		m, err := Parse(file, string(text))
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// Parse reads a mutant's text; file is its name for errors.
func Parse(file, text string) (Mutant, error) {
	m := Mutant{File: file}
	path := ""
	lines := strings.SplitAfter(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		key, value, _ := strings.Cut(line, ":")
		switch {
		case line == "":
		case line == "<<<<":
			was, next, ok := until(lines, i+1, "====")
			is, end, closed := until(lines, next, ">>>>")
			if !ok || !closed || path == "" || was == "" {
				return m, fmt.Errorf("%s:%d: a change needs its file, <<<<, the old text, ====, the new one, >>>>", file, i+1)
			}
			m.Changes = append(m.Changes, Change{path, was, is})
			i = end - 1
		case key == "name":
			m.Name = strings.TrimSpace(value)
		case key == "breaks":
			m.Breaks = strings.TrimSpace(value)
		case key == "file":
			path = strings.TrimSpace(value)
		default:
			return m, fmt.Errorf("%s:%d: %q is none of name, breaks, file, <<<<", file, i+1, line)
		}
	}
	if m.Name == "" || m.Breaks == "" || len(m.Changes) == 0 {
		return m, fmt.Errorf("%s: a mutant has a name, what it breaks, and a change", file)
	}
	return m, nil
}

// until joins the lines from one on up to the mark, and gives the line after it.
func until(lines []string, from int, mark string) (text string, after int, found bool) {
	for i := from; i < len(lines); i++ {
		if strings.TrimSpace(lines[i]) == mark {
			return strings.Join(lines[from:i], ""), i + 1, true
		}
	}
	return "", len(lines), false
}

// Apply is the sources that the mutant changes, by their paths, as it has them.
// A text that does not stand there exactly once is an error: the source has
// moved on, and the mutant must follow.
func (m *Mutant) Apply(root string) (map[string]string, error) {
	sources := map[string]string{}
	for _, c := range m.Changes {
		source, there := sources[c.Path]
		if !there {
			text, err := os.ReadFile(filepath.Join(root, c.Path))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.File, err)
			}
			source = string(text)
		}
		if n := strings.Count(source, c.Old); n != 1 {
			return nil, fmt.Errorf("%s: %s has the old text %d times, not once:\n%s", m.File, c.Path, n, c.Old)
		}
		sources[c.Path] = strings.Replace(source, c.Old, c.New, 1)
	}
	return sources, nil
}

// Overlay writes what the go command needs to build the mutant into dir, and
// gives the file for its -overlay flag.
func (m *Mutant) Overlay(root, dir string) (string, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	sources, err := m.Apply(root)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for path, text := range sources {
		mutated := filepath.Join(dir, strings.ReplaceAll(path, "/", "_"))
		if err := os.WriteFile(mutated, []byte(text), 0o644); err != nil {
			return "", err
		}
		replace[filepath.Join(root, path)] = mutated
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o644)
}
