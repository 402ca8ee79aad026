package config

import (
	"regexp"

	"go.yaml.in/yaml/v4"
)

// Verify is what becomes of state machines whose sagas are not proven.
type Verify struct {
	OnCreate string   // VerifyOff, VerifyWarn or VerifyRefuse; "": VerifyWarn
	Ignore   []string // ids of rules that nobody has to keep
}

// The levels of a proof: none is made, what is found is told, what is not proven is
// refused.
const (
	VerifyOff    = "off"
	VerifyWarn   = "warn"
	VerifyRefuse = "refuse"
)

func (v *Verify) setting() setting {
	return func(d *decoder, node *yaml.Node, path string) {
		d.object(node, path, map[string]setting{
			"on_create": oneOf(&v.OnCreate, VerifyOff, VerifyWarn, VerifyRefuse),
			"ignore": func(d *decoder, node *yaml.Node, path string) {
				list(&v.Ignore)(d, node, path)
				for _, rule := range v.Ignore {
					if !ruleID.MatchString(rule) {
						d.problem(node, path, "has a rule that is none: they are named like SAGA016")
						return
					}
				}
			},
		})
	}
}

var ruleID = regexp.MustCompile(`^SAGA0[0-9]{2}$`)
