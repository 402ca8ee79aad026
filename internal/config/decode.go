package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// decoder reads a YAML tree by the settings that there are. It goes on after a
// mistake, to tell of all of them.
type decoder struct {
	file     string
	folder   string // of the file
	lookup   func(string) (string, bool)
	problems []string
}

// setting reads one value. The path is where it stands: "functions.Book.url".
type setting func(d *decoder, n *yaml.Node, path string)

func (d *decoder) problem(n *yaml.Node, path, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	if path != "" {
		what = path + " " + what
	}
	d.problems = append(d.problems, fmt.Sprintf("%s:%d: %s", d.file, n.Line, what))
}

// object reads a mapping of known keys.
func (d *decoder) object(n *yaml.Node, path string, settings map[string]setting) {
	d.each(n, path, func(key *yaml.Node, v *yaml.Node, at string) {
		read, known := settings[key.Value]
		if !known {
			d.problem(key, "", "unknown key %s%s", at, didYouMean(key.Value, settings))
			return
		}
		read(d, v, at)
	})
}

// each goes through a mapping, whose keys must differ.
func (d *decoder) each(n *yaml.Node, path string, entry func(key, v *yaml.Node, at string)) {
	n = follow(n)
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.problem(n, path, "must be a mapping of keys to values")
		return
	}
	seen := make(map[string]int)
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		at := strings.TrimPrefix(path+"."+key.Value, ".")
		if key.Kind != yaml.ScalarNode {
			d.problem(key, path, "has a key that is no text")
			continue
		}
		if line, again := seen[key.Value]; again {
			d.problem(key, at, "stands here again, after line %d", line)
			continue
		}
		seen[key.Value] = key.Line
		entry(key, n.Content[i+1], at)
	}
}

// follow is the node that an alias stands for.
func follow(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// scalar is a value as text, with the variables of the environment in it. It
// reports false where it is none.
func (d *decoder) scalar(n *yaml.Node, path string) (string, bool) {
	n = follow(n)
	if n.Kind != yaml.ScalarNode || isNull(n) {
		d.problem(n, path, "must be a single value")
		return "", false
	}
	return d.expand(n, path)
}

// expand puts the environment's values in for ${NAME}, and what files hold for
// ${file:PATH}; $${ is a plain ${.
func (d *decoder) expand(n *yaml.Node, at string) (string, bool) {
	var out strings.Builder
	rest := n.Value
	for {
		before, after, found := strings.Cut(rest, "${")
		out.WriteString(before)
		if !found {
			return out.String(), true
		}
		if strings.HasSuffix(before, "$") {
			out.WriteString("{")
			rest = after
			continue
		}
		name, behind, closed := strings.Cut(after, "}")
		if path, is := strings.CutPrefix(name, "file:"); closed && is {
			v, err := d.held(path)
			if err != nil {
				d.problem(n, at, "needs a file: %v", err)
				return "", false
			}
			out.WriteString(v)
			rest = behind
			continue
		}
		if !closed || !isVariable(name) {
			d.problem(n, at, "has ${ without NAME} behind it (write $${ for the characters themselves)")
			return "", false
		}
		v, set := d.lookup(name)
		if !set {
			d.problem(n, at, "needs the environment variable %s, which is not set", name)
			return "", false
		}
		out.WriteString(v)
		rest = behind
	}
}

// maxHeld bounds what a file may hold that stands for a value, in bytes.
const maxHeld = 64 << 10

// held is what a file holds, without the end of its last line: a secret, as
// orchestrators hand them out.
func (d *decoder) held(path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(d.folder, path)
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxHeld+1))
	switch {
	case err != nil:
		return "", err
	case len(b) > maxHeld:
		return "", fmt.Errorf("%s is longer than %d bytes", path, maxHeld)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

func isVariable(name string) bool {
	for i := range len(name) {
		b := name[i]
		if b != '_' && (b|0x20 < 'a' || b|0x20 > 'z') && (i == 0 || b < '0' || b > '9') {
			return false
		}
	}
	return name != ""
}

func text(to *string) setting {
	return func(d *decoder, n *yaml.Node, path string) {
		if v, ok := d.scalar(n, path); ok {
			*to = v
		}
	}
}

func secret(to *Secret) setting { return text((*string)(to)) }

func address(to *URL) setting { return text((*string)(to)) }

func truth(to *bool) setting {
	return func(d *decoder, n *yaml.Node, path string) {
		v, ok := d.scalar(n, path)
		if !ok {
			return
		}
		if v != "true" && v != "false" {
			d.problem(n, path, "must be true or false")
			return
		}
		*to = v == "true"
	}
}

// oneOf reads one of some words.
func oneOf(to *string, words ...string) setting {
	return func(d *decoder, n *yaml.Node, path string) {
		v, ok := d.scalar(n, path)
		if ok && !slices.Contains(words, v) {
			d.problem(n, path, "must be %s", strings.Join(words, " or "))
		}
		*to = v
	}
}

func number(to *int, least, most int) setting {
	return func(d *decoder, n *yaml.Node, path string) {
		v, ok := d.scalar(n, path)
		if !ok {
			return
		}
		i, err := strconv.Atoi(v)
		if err != nil || i < least || i > most {
			d.problem(n, path, "must be a whole number from %d to %d", least, most)
			return
		}
		*to = i
	}
}

func duration(to *time.Duration, least, most time.Duration) setting {
	return func(d *decoder, n *yaml.Node, path string) {
		v, ok := d.scalar(n, path)
		if !ok {
			return
		}
		t, err := parseDuration(v)
		if err != nil {
			d.problem(n, path, "%v", err)
			return
		}
		if t < least || t > most {
			d.problem(n, path, "must be from %v to %v", least, most)
			return
		}
		*to = t
	}
}

func size(to *int64) setting {
	return func(d *decoder, n *yaml.Node, path string) {
		v, ok := d.scalar(n, path)
		if !ok {
			return
		}
		bytes, err := parseSize(v)
		if err != nil {
			d.problem(n, path, "%v", err)
			return
		}
		*to = bytes
	}
}

// list reads a sequence of texts.
func list(to *[]string) setting {
	return func(d *decoder, n *yaml.Node, path string) {
		n = follow(n)
		if n.Kind != yaml.SequenceNode {
			d.problem(n, path, "must be a list")
			return
		}
		var all []string
		for i, item := range n.Content {
			if v, ok := d.scalar(item, path+"["+strconv.Itoa(i)+"]"); ok {
				all = append(all, v)
			}
		}
		*to = all
	}
}

// secrets reads a mapping of any keys to texts that are never printed.
func secrets(to *map[string]Secret) setting {
	return func(d *decoder, n *yaml.Node, path string) {
		all := make(map[string]Secret)
		d.each(n, path, func(key, v *yaml.Node, at string) {
			if text, ok := d.scalar(v, at); ok {
				all[key.Value] = Secret(text)
			}
		})
		*to = all
	}
}

// didYouMean names the known key that is nearest to one that is not, where it
// is near.
func didYouMean(key string, settings map[string]setting) string {
	names := sorted(settings)
	if best := Nearest(key, names); best != "" {
		return "; did you mean " + best + "?"
	}
	return "; there are " + strings.Join(names, ", ")
}

// Nearest is the known name that is nearest to one that is not, whatever its case; ""
// where none is near.
func Nearest(name string, known []string) string {
	best, least := "", len(name)/3+2
	for _, k := range known {
		if n := distance(strings.ToLower(name), strings.ToLower(k)); n < least {
			best, least = k, n
		}
	}
	return best
}

// distance is the number of characters to add, drop or change to make a of b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
