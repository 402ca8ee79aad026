package jsonpath

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/value"
)

// maxRange is the number of items that States.ArrayRange makes at most.
const maxRange = 1000

func array(args []value.Value, _ Chance) (value.Value, *fault) {
	return value.NewArray(args), nil
}

// arrayContains compares by text, as the service is seen to do: true is
// contained in ["true"], and members in another order are another object.
func arrayContains(args []value.Value, _ Chance) (value.Value, *fault) {
	list, wanted := args[0], args[1]
	if list.Kind() != value.Array || !list.Fits(maxOutput) || !wanted.Fits(maxOutput) {
		return value.Value{}, badArguments
	}
	target := appendPlain(nil, wanted)
	var text []byte
	for _, item := range list.Items() {
		if text = appendPlain(text[:0], item); bytes.Equal(text, target) {
			return value.NewBool(true), nil
		}
	}
	return value.NewBool(false), nil
}

// arrayGetItem gives null for any index into an empty array, as the service
// is seen to do.
func arrayGetItem(args []value.Value, _ Chance) (value.Value, *fault) {
	list := args[0]
	i, ok := whole(args[1])
	switch {
	case list.Kind() != value.Array || !ok || i < 0:
		return value.Value{}, badArguments
	case list.Len() == 0:
		return value.NewNull(), nil
	case i >= int64(list.Len()):
		return value.Value{}, badArguments
	}
	return list.At(int(i)), nil
}

func arrayLength(args []value.Value, _ Chance) (value.Value, *fault) {
	if args[0].Kind() != value.Array {
		return value.Value{}, badArguments
	}
	return value.NewInt(int64(args[0].Len())), nil
}

func arrayPartition(args []value.Value, _ Chance) (value.Value, *fault) {
	size, ok := whole(args[1])
	if args[0].Kind() != value.Array || !ok || size < 1 {
		return value.Value{}, badArguments
	}
	var parts []value.Value
	for part := range slices.Chunk(args[0].Items(), int(size)) {
		parts = append(parts, value.NewArray(part))
	}
	return value.NewArray(parts), nil
}

func arrayRange(args []value.Value, _ Chance) (value.Value, *fault) {
	from, ok1 := whole(args[0])
	to, ok2 := whole(args[1])
	by, ok3 := whole(args[2])
	if !ok1 || !ok2 || !ok3 || by == 0 || (to-from)/by >= maxRange {
		return value.Value{}, badArguments
	}
	var items []value.Value
	for i := from; by > 0 && i <= to || by < 0 && i >= to; i += by {
		items = append(items, value.NewInt(i))
	}
	return value.NewArray(items), nil
}

// arrayUnique keeps the first of equal items, in their order. The order of
// members doesn't count; 1 and 1.0 are not equal, as at the service.
func arrayUnique(args []value.Value, _ Chance) (value.Value, *fault) {
	if args[0].Kind() != value.Array || !args[0].Fits(maxOutput) {
		return value.Value{}, badArguments
	}
	var items []value.Value
	seen := map[string]bool{}
	for _, item := range args[0].Items() {
		if key := string(appendKey(nil, item)); !seen[key] {
			seen[key] = true
			items = append(items, item)
		}
	}
	return value.NewArray(items), nil
}

// appendKey adds a text that equal values share: members by name, numbers with
// a point or exponent by their size.
func appendKey(dst []byte, v value.Value) []byte {
	switch v.Kind() {
	case value.Number:
		if text := v.Spelling(); strings.ContainsAny(text, ".eE") {
			return strconv.AppendFloat(append(dst, '.'), v.AsFloat(), 'g', -1, 64)
		}
	case value.Array:
		dst = append(dst, '[')
		for _, item := range v.Items() {
			dst = append(appendKey(dst, item), ',')
		}
		return append(dst, ']')
	case value.Object:
		dst = append(dst, '{')
		for _, name := range slices.Sorted(slices.Values(v.Names())) {
			dst = append(value.AppendString(dst, name), ':')
			dst = append(appendKey(dst, v.Get(name)), ',')
		}
		return append(dst, '}')
	}
	return v.Append(dst)
}
