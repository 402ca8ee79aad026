package engine

import (
	"encoding/binary"
	"errors"

	"github.com/backstep/backstep/internal/machine"
)

// The lists of executions that the engine keeps. Their tenant is [Tenant].
const (
	IndexMachine     = "machine"     // value: the machine's name
	IndexStatus      = "status"      // value: StatusValue
	IndexQuarantined = "quarantined" // value: ""; the row's body is the reason
	IndexMapRuns     = "mapruns"     // map runs; value: the id of the execution that started them
	IndexChildren    = "children"    // of a map run; value: its id, or StatusValue of that
)

// Tenant is how keys spell an account in a region.
func Tenant(account, region string) string { return account + "/" + region }

// StatusValue is the index value of a machine's executions of one status.
func StatusValue(machineName string, s machine.Status) string {
	return machineName + ":" + s.String()
}

// Item is what a list of executions shows of one.
type Item struct {
	Name    string
	Status  machine.Status
	Start   int64 // UTC ms
	Stop    int64 // UTC ms, 0 while it runs
	Version string
	Alias   string
	Machine string // of a map run and of its children: the machine's name and the label
	Items   int    // of a map run's child: how many it is for
}

// An item without Machine and Items is written in the first encoding.
const (
	plainItem = 1
	mapItem   = 2
)

func (i Item) append(b []byte) []byte {
	encoding := byte(plainItem)
	if i.Machine != "" {
		encoding = mapItem
	}
	b = append(b, encoding, byte(i.Status))
	b = binary.AppendUvarint(b, uint64(i.Start))
	b = binary.AppendUvarint(b, uint64(i.Stop))
	if encoding == mapItem {
		b = binary.AppendUvarint(b, uint64(i.Items))
	}
	texts := [...]string{i.Name, i.Version, i.Alias, i.Machine}
	for _, s := range texts[:len(texts)-int(mapItem-encoding)] {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

var errItem = errors.New("list row: not in an encoding of this version")

// DecodeItem reads the body of a row of one of the lists, but of IndexQuarantined.
func DecodeItem(body []byte) (Item, error) {
	if len(body) < 2 || body[0] < plainItem || body[0] > mapItem {
		return Item{}, errItem
	}
	i := Item{Status: machine.Status(body[1])}
	var items int64
	numbers, texts := []*int64{&i.Start, &i.Stop}, []*string{&i.Name, &i.Version, &i.Alias}
	if body[0] == mapItem {
		numbers, texts = append(numbers, &items), append(texts, &i.Machine)
	}
	b := body[2:]
	for _, n := range numbers {
		v, width := binary.Uvarint(b)
		if width <= 0 {
			return Item{}, errItem
		}
		*n, b = int64(v), b[width:]
	}
	for _, s := range texts {
		v, width := binary.Uvarint(b)
		if width <= 0 || v > uint64(len(b)-width) {
			return Item{}, errItem
		}
		*s, b = string(b[width:width+int(v)]), b[width+int(v):]
	}
	i.Items = int(items)
	return i, nil
}
