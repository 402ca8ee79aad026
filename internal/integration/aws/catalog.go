package aws

import (
	"archive/zip"
	_ "embed"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
)

// models is a model per service, each compressed by itself: JSON that
// TestModels makes of the descriptions in AWS's first SDK for Go.
//
//go:embed models.zip
var models string

// maxModel bounds a model's text.
const maxModel = 16 << 20

// catalog has the models of all services. One is read when it is first asked
// for, and kept. It may be used by many at once.
type catalog struct {
	open   func() (map[string]*zip.File, error) // by service: "secretsmanager"
	mu     sync.Mutex
	loaded map[string]*entry
}

// entry is a service's model once it is read.
type entry struct {
	once  sync.Once
	model *model
	err   error
}

func newCatalog(archive string) *catalog {
	return &catalog{loaded: map[string]*entry{}, open: sync.OnceValues(func() (map[string]*zip.File, error) {
		r, err := zip.NewReader(strings.NewReader(archive), int64(len(archive)))
		if err != nil {
			return nil, fmt.Errorf("the models of AWS's services: %w", err)
		}
		files := make(map[string]*zip.File, len(r.File))
		for _, f := range r.File {
			files[strings.TrimSuffix(f.Name, ".json")] = f
		}
		return files, nil
	})}
}

// model is the model of a service, nil where there is no such service.
func (c *catalog) model(service string) (*model, error) {
	files, err := c.open()
	if err != nil || files[service] == nil {
		return nil, err
	}
	c.mu.Lock()
	e := c.loaded[service]
	if e == nil {
		e = new(entry)
		c.loaded[service] = e
	}
	c.mu.Unlock()
	e.once.Do(func() { e.model, e.err = readModel(files[service]) })
	return e.model, e.err
}

// services are the names of all services, sorted.
func (c *catalog) services() ([]string, error) {
	files, err := c.open()
	return slices.Sorted(maps.Keys(files)), err
}

// operation is an action of a service; nil where there is none.
func (c *catalog) operation(service, action string) (*model, *operation, error) {
	m, err := c.model(service)
	if m == nil {
		return nil, nil, err
	}
	return m, m.Operations[action], nil
}

func readModel(f *zip.File) (*model, error) {
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", f.Name, err)
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxModel))
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", f.Name, err)
	}
	return parseModel(text)
}
