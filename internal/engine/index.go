package engine

import (
	"encoding/binary"
	"errors"

	"github.com/backstep/backstep/internal/machine"
)

// The lists of executions that the engine keeps. Their tenant is [Tenant]. An
// execution of a version or by an alias is in the lists of these, too, whose
// name is [QualifiedName]. One with search attributes is in the list of each, which
// [IndexAttribute] names.
const (
	IndexMachine     = "machine"     // value: the machine's name, or a qualified one
	IndexStatus      = "status"      // value: StatusValue
	IndexQuarantined = "quarantined" // value: ""; the row's body is the reason
	IndexMapRuns     = "mapruns"     // map runs; value: the id of the execution that started them
	IndexChildren    = "children"    // of a map run; value: its id, or StatusValue of that
	IndexForsaken    = "forsaken"    // map runs whose execution is gone; value: ""
)

// Tenant is how keys spell an account in a region.
func Tenant(account, region string) string { return account + "/" + region }

// QualifiedName is the name of a machine's version or alias in lists.
func QualifiedName(machineName, qualifier string) string { return machineName + ":" + qualifier }

// StatusValue is the index value of the executions of one status, of a machine
// or of a version or an alias of it.
func StatusValue(name string, s machine.Status) string {
	return name + ":" + s.String()
}

// Item is what a list of executions shows of one.
type Item struct {
	Name    string
	Status  machine.Status
	Start   int64 // UTC ms
	Stop    int64 // UTC ms, 0 while it runs
	Version string
	Alias   string

	Redrives int
	Redriven int64 // when the last redrive was, UTC ms; 0: there was none

	Machine string // of a map run and of its children: the machine's name and the label; in a list by attribute: the machine's name
	Items   int    // of a map run's child: how many it is for
}

// Encoding 1 knew neither redrives nor machines, and is written where there
// are none.
const (
	itemPlain = 1
	itemWhole = 2
)

func (i Item) append(b []byte) []byte {
	encoding := byte(itemPlain)
	if i.Redrives > 0 || i.Machine != "" {
		encoding = itemWhole
	}
	b = append(b, encoding, byte(i.Status))
	b = binary.AppendUvarint(b, uint64(i.Start))
	b = binary.AppendUvarint(b, uint64(i.Stop))
	texts := []string{i.Name, i.Version, i.Alias}
	if encoding == itemWhole {
		b = binary.AppendUvarint(b, uint64(i.Redrives))
		b = binary.AppendUvarint(b, uint64(i.Redriven))
		b = binary.AppendUvarint(b, uint64(i.Items))
		texts = append(texts, i.Machine)
	}
	for _, s := range texts {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

var errItem = errors.New("list row: not in an encoding of this version")

// DecodeItem reads the body of a row of one of the lists, but of
// IndexQuarantined and IndexForsaken.
func DecodeItem(body []byte) (Item, error) {
	if len(body) < 2 || body[0] < itemPlain || body[0] > itemWhole {
		return Item{}, errItem
	}
	i := Item{Status: machine.Status(body[1])}
	var redrives, items int64
	numbers, texts := []*int64{&i.Start, &i.Stop}, []*string{&i.Name, &i.Version, &i.Alias}
	if body[0] == itemWhole {
		numbers, texts = append(numbers, &redrives, &i.Redriven, &items), append(texts, &i.Machine)
	}
	b := body[2:]
	for _, n := range numbers {
		v, width := binary.Uvarint(b)
		if width <= 0 {
			return Item{}, errItem
		}
		*n, b = int64(v), b[width:]
	}
	i.Redrives, i.Items = int(redrives), int(items)
	for _, s := range texts {
		v, width := binary.Uvarint(b)
		if width <= 0 || v > uint64(len(b)-width) {
			return Item{}, errItem
		}
		*s, b = string(b[width:width+int(v)]), b[width+int(v):]
	}
	return i, nil
}
