package jsonata

// row is a function of the library.
type row struct {
	name      string
	signature string
	arity     int // how many arguments it makes use of when another function calls it
	call      func(c call) datum
}

// common is the functions of both levels.
var common = []row{
	{"abs", "n-:n", 1, numeric(abs)},
	{"append", "xx:a", 2, appendTo},
	{"assert", "bs?:x", 2, assert},
	{"average", "a<n>:n", 1, average},
	{"base64decode", "s-:s", 1, textual(base64Decode)},
	{"base64encode", "s-:s", 1, textual(base64Encode)},
	{"boolean", "x-:b", 1, toBoolean},
	{"ceil", "n-:n", 1, numeric(ceilOf)},
	{"clone", "(oa)-:o", 1, cloneOf},
	{"contains", "s-(sf):b", 2, containsText},
	{"count", "a:n", 1, count},
	{"decodeUrl", "s-:s", 1, decodeURL},
	{"decodeUrlComponent", "s-:s", 1, decodeURLComponent},
	{"distinct", "x:x", 1, distinct},
	{"each", "o-f:a", 2, each},
	{"encodeUrl", "s-:s", 1, encodeURL},
	{"encodeUrlComponent", "s-:s", 1, encodeURLComponent},
	{"error", "s?:x", 1, raise},
	{"exists", "x:b", 1, exists},
	{"filter", "af", 2, filterItems},
	{"floor", "n-:n", 1, numeric(floorOf)},
	{"formatBase", "n-n?:s", 2, formatBase},
	{"formatInteger", "n-s:s", 2, formatIntegerOf},
	{"formatNumber", "n-so?:s", 3, formatNumber},
	{"fromMillis", "n-s?s?:s", 3, fromMillis},
	{"join", "a<s>s?:s", 2, join},
	{"keys", "x-:a<s>", 1, keys},
	{"length", "s-:n", 1, length},
	{"lookup", "x-s:x", 2, lookupName},
	{"lowercase", "s-:s", 1, textual(lowercase)},
	{"map", "af", 2, mapItems},
	{"match", "s-f<s:o>n?:a<o>", 3, match},
	{"max", "a<n>:n", 1, largest},
	{"merge", "a<o>:o", 1, merge},
	{"millis", ":n", 0, millis},
	{"min", "a<n>:n", 1, smallest},
	{"not", "x-:b", 1, not},
	{"now", "s?s?:s", 2, now},
	{"number", "(nsb)-:n", 1, toNumber},
	{"pad", "s-ns?:s", 3, pad},
	{"parseInteger", "s-s:n", 2, parseIntegerOf},
	{"power", "n-n:n", 2, power},
	{"reduce", "afj?:j", 3, reduce},
	{"replace", "s-(sf)(sf)n?:s", 4, replace},
	{"reverse", "a:a", 1, reverse},
	{"round", "n-n?:n", 2, round},
	{"shuffle", "a:a", 1, shuffle},
	{"sift", "o-f?:o", 2, sift},
	{"single", "af?", 2, singleItem},
	{"sort", "af?:a", 2, sortItems},
	{"split", "s-(sf)n?:a<s>", 3, split},
	{"spread", "x-:a<o>", 1, spread},
	{"sqrt", "n-:n", 1, numeric(sqrt)},
	{"string", "x-b?:s", 1, toString},
	{"substring", "s-nn?:s", 3, substring},
	{"substringAfter", "s-s:s", 2, substringAfter},
	{"substringBefore", "s-s:s", 2, substringBefore},
	{"sum", "a<n>:n", 1, sum},
	{"toMillis", "s-s?:n", 2, toMillis},
	{"trim", "s-:s", 1, textual(trim)},
	{"type", "x:s", 1, typeOf},
	{"uppercase", "s-:s", 1, textual(uppercase)},
	{"zip", "a+", 0, zip},
}

// reference is the functions of level [Reference] alone.
var reference = []row{
	{"eval", "sx?:x", 2, evalText},
	{"random", ":n", 0, random},
}

// aws is the functions of level [AWS] alone.
var aws = []row{
	{"hash", "s-s:s", 2, hash},
	{"parse", "s-:x", 1, parseJSON},
	{"partition", "an:a", 2, partition},
	{"random", "n?:n", 1, random},
	{"range", "nnn:a", 3, rangeOf},
	{"uuid", ":s", 0, uuid},
}

// libraries is the functions of each level, by name.
var libraries = [...]map[string]datum{AWS: library(aws), Reference: library(reference)}

func library(own []row) map[string]datum {
	l := make(map[string]datum, len(common)+len(own))
	for _, rows := range [][]row{common, own} {
		for _, r := range rows {
			f := &function{name: r.name, arity: r.arity, signature: parseSignature(r.signature, 0), call: r.call}
			l[r.name] = f.datum()
		}
	}
	return l
}
