package jsonpath

import "github.com/backstep/backstep/internal/value"

// Chance is where States.UUID, and States.MathRandom without a seed, draw from.
type Chance interface{ Uint64() uint64 }

// function is a row of the table of intrinsic functions.
type function struct {
	name        string
	least, most int // arguments; most is -1 where any number may come
	run         func(args []value.Value, c Chance) (value.Value, *fault)
	template    bool // its first argument is a template: a literal keeps its escapes
}

// fault tells why a function gives nothing: "" is a wrong argument.
type fault struct{ what, detail string }

var badArguments = &fault{}

// in is the fault as the service words it.
func (f *fault) in(name string) string {
	what := f.what
	if what == "" {
		what = "Invalid arguments"
	}
	if f.detail != "" {
		return what + " in " + name + ": " + f.detail
	}
	return what + " in " + name
}

// functions are all 18 intrinsic functions.
var functions = [...]function{
	{name: "States.Array", least: 0, most: -1, run: array},
	{name: "States.ArrayContains", least: 2, most: 2, run: arrayContains},
	{name: "States.ArrayGetItem", least: 2, most: 2, run: arrayGetItem},
	{name: "States.ArrayLength", least: 1, most: 1, run: arrayLength},
	{name: "States.ArrayPartition", least: 2, most: 2, run: arrayPartition},
	{name: "States.ArrayRange", least: 3, most: 3, run: arrayRange},
	{name: "States.ArrayUnique", least: 1, most: 1, run: arrayUnique},
	{name: "States.Base64Decode", least: 1, most: 1, run: base64Decode},
	{name: "States.Base64Encode", least: 1, most: 1, run: base64Encode},
	{name: "States.Format", least: 1, most: -1, run: format, template: true},
	{name: "States.Hash", least: 2, most: 2, run: hashOf},
	{name: "States.JsonMerge", least: 3, most: 3, run: jsonMerge},
	{name: "States.JsonToString", least: 1, most: 1, run: jsonToString},
	{name: "States.MathAdd", least: 2, most: 2, run: mathAdd},
	{name: "States.MathRandom", least: 2, most: 3, run: mathRandom},
	{name: "States.StringSplit", least: 2, most: 2, run: stringSplit},
	{name: "States.StringToJson", least: 1, most: 1, run: stringToJSON},
	{name: "States.UUID", least: 0, most: 0, run: uuid},
}

// lookUp is the function of that name, nil where there is none.
func lookUp(name string) *function {
	for i := range functions {
		if functions[i].name == name {
			return &functions[i]
		}
	}
	return nil
}
