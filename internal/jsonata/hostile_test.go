package jsonata

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/value"
)

// hostile is expressions that ask for more than there is. Each must end by its
// budget, or by a limit of the language, at the same step each time.
var hostile = []struct{ name, source string }{
	{"recursion", `($f := function($x){ 1 + $f($x + 1) }; $f(1))`},
	{"mutual recursion", `($f := function($x){ 1 + $g($x) }; $g := function($x){ 1 + $f($x) }; $f(1))`},
	{"tail call", `($f := function($x){ $f($x + 1) }; $f(1))`},
	{"mutual tail call", `($f := function(){ $g() }; $g := function(){ $f() }; $f())`},
	{"Y combinator", `($y := function($f){ $f($f) }; $y($y))`},
	{"recursion in $map", `($f := function($x){ $map([$x], $f) }; $f(1))`},
	{"recursion in $sort", `($f := function($a, $b){ $sort([2, 1], $f) }; $f(1, 2))`},
	{"recursion in $replace", `($f := function($m){ $replace("a", /a/, $f) }; $f(1))`},
	{"doubled composition", `($i := function($x){ $x }; $d := function($f, $n){ $n = 0 ? $f : $d($f ~> $f, $n - 1) }; $d($i, 60)(1))`},
	{"$pad 1e9", `$pad("x", 1e9)`},
	{"$pad 1e12", `$pad("x", 1e12)`},
	{"$pad -1e300", `$pad("", -1e300, "ab")`},
	{"range mapped", `[1..1e7].($ + 1)`},
	{"range too long", `[0..99999999]`},
	{"range of objects", `[0..9999999].{"x": 1}`},
	{"ranges in ranges", `[1..1000].[1..1000].[1..1000]`},
	{"$map in $map in $map", `$map([1..1000], function($a){ $map([1..1000], function($b){ $map([1..1000], function($c){ $a + $b + $c }) }) })`},
	{"range as result", `[1..1000000]`},
	{"$sum of ranges", `$map([1..1000], function($i){ $sum([1..1000000]) })`},
	{"$reverse of a range", `$reverse([1..10000000])`},
	{"$shuffle of a range", `$shuffle([1..10000000])`},
	{"$sort of a range", `$sort([1..300000], function($a, $b){ $a < $b })`},
	{"$join of a range", `$join([1..1000000].$string())`},
	{"$distinct of a range", `$distinct([1..1000000])`},
	{"$zip of ranges", `$zip([1..5000000], [1..5000000])`},
	{"$append of ranges", `$append([1..9999999], [1..9999999])`},
	{"string doubling", `($f := function($s, $n){ $n = 0 ? $s : $f($s & $s, $n - 1) }; $f("x", 40))`},
	{"$string doubling", `($f := function($s, $n){ $n = 0 ? $s : $f($string([$s, $s]), $n - 1) }; $f("x", 40))`},
	{"quote doubling", `($f := function($s, $n){ $n = 0 ? $s : $f($string([$s]), $n - 1) }; $f("'\"", 60))`},
	{"array doubling", `($f := function($a, $n){ $n = 0 ? $a : $f($append($a, $a), $n - 1) }; $f([1], 40))`},
	{"array constructor doubling", `($f := function($a, $n){ $n = 0 ? $a : $f([$a, $a], $n - 1) }; $f([1], 40))`},
	{"shared tree as result", `($f := function($a, $n){ $n = 0 ? $a : $f({"a": $a, "b": $a}, $n - 1) }; $f(1, 60))`},
	{"shared tree compared", `($f := function($a, $n){ $n = 0 ? $a : $f({"a": $a, "b": $a}, $n - 1) }; $f(1, 60) = $f(1, 60))`},
	{"shared tree as text", `($f := function($a, $n){ $n = 0 ? $a : $f({"a": $a, "b": $a}, $n - 1) }; $string($f(1, 60)))`},
	{"shared tree as truth", `($f := function($a, $n){ $n = 0 ? $a : $f([[$a], [$a]], $n - 1) }; $boolean($f(0, 60)))`},
	{"shared tree's descendants", `($f := function($a, $n){ $n = 0 ? $a : $f({"a": $a, "b": $a}, $n - 1) }; $count($f(1, 60).**))`},
	{"shared tree cloned", `($f := function($a, $n){ $n = 0 ? $a : $f({"a": $a, "b": $a}, $n - 1) }; $f(1, 60) ~> |$|{}|)`},
	{"deep tree", `($f := function($a, $n){ $n = 0 ? $a : $f([[$a]], $n - 1) }; $f(1, 100000))`},
	{"deep tree as result", `($f := function($a, $n){ $n = 0 ? $a : $f({"a": $a}, $n - 1) }; $f(1, 2000))`},
	{"$replace growth", `($f := function($s, $n){ $n = 0 ? $s : $f($replace($s, "x", "xx"), $n - 1) }; $f("x", 40))`},
	{"$replace growth by pattern", `($f := function($s, $n){ $n = 0 ? $s : $f($replace($s, /x/, "$0$0"), $n - 1) }; $f("x", 40))`},
	{"$split of much", `$count($split($pad("", 4000000, "x,"), ","))`},
	{"$match of much", `$count($match($pad("", 1000000, "x"), /x/))`},
	{"texts read again", `($s := $pad("", 1000000, "x"); $map([1..1000000], function($i){ $length($s) }))`},
	{"texts compared again", `($s := $pad("", 1000000, "x"); $t := $s & ""; $map([1..1000000], function($i){ $s = $t }))`},
	{"texts searched again", `($s := $pad("", 1000000, "x"); $map([1..1000000], function($i){ $contains($s, "y") }))`},
	{"texts hashed again", `($s := $pad("", 100000, "x"); $map([1..1000000], function($i){ $hash($s, "SHA-512") }))`},
	{"lists searched again", `($a := [1..100000]; $map([1..100000], function($i){ 0 in $a }))`},
	{"group of a range", `[1..10000000]{$string($): $}`},
	{"joins", `[1..1000]@$a.[1..1000]@$b.[1..1000]@$c.($a + $b + $c)`},
	{"nested quantifiers", `$match($pad("", 100000, "a") & "!", /(a+)+$/)`},
	{"back-reference", `$match($pad("", 10000, "a") & "!", /^(a+)+\1$/)`},
	{"look-around", `$match($pad("", 10000, "a") & "!", /(?=(a+)+$)a/)`},
	{"empty rounds", `$match($pad("", 10000, "a") & "!", /(a*)*$/)`},
	{"large pattern", `$match($pad("", 100000, "a") & "!", /(a?){900}b/)`},
	{"larger pattern", `/((a{900}){900}){900}/`},
	{"many matches", `$match($pad("", 1000000, "ab"), /a(?=b)/)`},
	{"$formatNumber of 0 with an exponent", `$formatNumber(0, "0e0")`},
	{"long number picture", `$formatNumber(1, $pad("", 1000000, "0,"))`},
	{"$formatInteger in Roman", `$formatInteger(1e300, "I")`},
	{"$formatInteger in words", `$length($formatInteger(1e300, "w"))`},
	{"$toMillis of many [f1]", `$toMillis($pad("", 5000, "1"), $pad("", 20000, "[f1]"))`},
	{"$toMillis of many words", `$toMillis($pad("", 5000, "one "), $pad("", 3000, "[Yw] "))`},
	{"$fromMillis of a long picture", `$fromMillis(0, $pad("", 1000000, "[Y]"))`},
	{"$parse of much", `$parse("[" & $pad("", 1000000, "0,") & "0]")`},
	{"$partition of much", `$partition([1..300000], 1)`},
	{"$range without end", `$range(0, 1e9, 1)`},
	{"$range of tiny steps", `$range(0, 1, 1e-300)`},
	{"$range of a million", `$range(1, 1000000, 1)`},
	{"parameters without end", `function($a, $b)<x+x+x+x+x+x+x+x+x+x+x+x+s:x>{1}(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)`},
	{"many variables", "(" + manyTimes(8_000, "$v%d := 1;") + ")"},
	{"many parameters", "($f := function(" + manyTimes(12_000, "$v%d,") + "$x){ 1 }; $map([1..100000], function($i){ $f(1) }))"},
	{"signature without end", "function($x)<" + strings.Repeat("-", 100_000) + ">{1}(1)"},
	{"signature of many", "($f := function($x)<" + strings.Repeat("x?", 50_000) + ">{1}; $map([1..100000], function($i){ $f(1) }))"},
	{"many names", "(" + manyTimes(15_000, "v%d;") + ")"},
	{"many paths", "(" + strings.Repeat(strings.Repeat("a.", 1_900)+"a;", 33) + ")"},
	{"many contexts", "(" + strings.Repeat(strings.Repeat("%+", 1_900)+"1;", 33) + ")"},
	{"many patterns", "(1;" + strings.Repeat("/a{1000}/;", 12_000) + ")"},
	{"wide class", "$match($pad('', 100000, 'ab'), /(?=b)[" + manyClasses() + "]|c/)"},
	{"wide class without case", "$match($pad('', 100000, 'ab'), /[" + manyClasses() + "]c/i)"},
	{"many separators", `$parseInteger($pad("", 100000, "x"), $pad("", 100000, "xy") & "0")`},
	{"many marks", `$formatNumber(1, $pad("", 50000, "0,") & "00")`},
	{"lone surrogates", `($s := $pad("", 200000, "\ud800x"); $map([1..1000000], function($i){ $length($s & "\udc00") }))`},
	{"Base64 again", `($s := $pad("", 200000, "QUJD"); $map([1..1000000], function($i){ $length($base64decode($s)) }))`},
	{"upper case again", `($s := $pad("", 200000, "éß"); $map([1..1000000], function($i){ $length($uppercase($s)) }))`},
	{"parentheses", strings.Repeat("(", 10_000)},
	{"100,000 brackets", strings.Repeat("[", 100_000)},
	{"100,000 parentheses", strings.Repeat("(", 100_000)},
	{"100,000 signs", strings.Repeat("-", 100_000) + "1"},
	{"200,000 brackets", strings.Repeat("[", 200_000)},
	{"200,000 parentheses", strings.Repeat("(", 200_000)},
	{"2,000,000 signs", strings.Repeat("-", 2_000_000) + "1"},
	{"200,000 signs", strings.Repeat("-", 200_000) + "1"},
	{"20,000 braces", strings.Repeat(`{"a":`, 20_000)},
	{"long sum", "1" + strings.Repeat("+1", 50_000)},
	{"long path", "a" + strings.Repeat(".a", 50_000)},
	{"many conditions", strings.Repeat("1?", 50_000)},
	{"many groups", "/" + strings.Repeat("(", 1000) + strings.Repeat(")", 1000) + "/"},
	{"10 MB", strings.Repeat("a", 10_000_000)},
}

// manyTimes is so many copies of a format, numbered.
func manyTimes(n int, format string) string {
	var out strings.Builder
	for i := range n {
		fmt.Fprintf(&out, format, i)
	}
	return out.String()
}

// manyClasses is the inside of a class of many characters that are no
// neighbours.
func manyClasses() string {
	var out strings.Builder
	for r := rune(0x100); r < 0xD000; r += 2 {
		out.WriteRune(r)
	}
	return out.String()
}

// cpu is what the process has used of the processors.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// spend compiles and evaluates, and tells how it ended.
func spend(source string) (result value.Value, u Usage, code string) {
	seed := lcg(1)
	e, err := Compile(source, AWS)
	if err == nil {
		result, u, err = e.Measure(Env{Chance: &seed})
	}
	var reason *Error
	if errors.As(err, &reason) {
		code = reason.Code
	} else if err != nil {
		code = err.Error()
	}
	return result, u, code
}

// What is counted is the same everywhere; what a processor takes is not, so that
// it is held only where somebody asks for it.
var holdCPU = flag.Bool("hostile.cpu", false, "fail where a hostile expression takes too much of a processor")

// mostCPU is what no hostile expression may take of a processor.
const mostCPU = 100 * time.Millisecond

// TestHostileTable prints what each expression costs (-v), and holds the code
// it ends with, its steps, bytes and depth against testdata/hostile.tsv.
func TestHostileTable(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector multiplies the time, and what is counted is the same")
	}
	const golden = "testdata/hostile.tsv"
	want := map[string]string{}
	for _, line := range strings.Split(readFile(t, golden), "\n") {
		name, rest, _ := strings.Cut(line, "\t")
		want[name] = rest
	}
	var lines strings.Builder
	t.Logf("%-34s %-6s %9s %9s %6s %8s", "expression", "code", "steps", "bytes", "depth", "CPU")
	for _, h := range hostile {
		u, code, best := measured(t, h.source)
		t.Logf("%-34s %-6s %9d %9d %6d %6.1fms", h.name, code, u.Steps, u.Bytes, u.Depth, best.Seconds()*1000)
		got := fmt.Sprintf("%s\t%d\t%d\t%d", code, u.Steps, u.Bytes, u.Depth)
		if got != want[h.name] && !*update {
			t.Errorf("%s: ended with %q, want %q", h.name, got, want[h.name])
		}
		if *holdCPU && best > mostCPU {
			t.Errorf("%s: took %v of the processor", h.name, best)
		}
		lines.WriteString(h.name + "\t" + got + "\n")
	}
	if *update {
		if err := os.WriteFile(golden, []byte(lines.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// measured evaluates twice, or more often where the machine is busy, and tells
// the least time that it took.
func measured(t *testing.T, source string) (u Usage, code string, best time.Duration) {
	best = time.Hour
	for try := 0; try < 2 || try < 6 && best > mostCPU/2; try++ {
		runtime.GC()
		before := cpu()
		result, again, c := spend(source)
		best = min(best, cpu()-before)
		if try > 0 && (again != u || c != code) {
			t.Errorf("%+v %s, then %+v %s", u, code, again, c)
		}
		if c == "" && result.Text().Len() > defaultOutput {
			t.Errorf("%d bytes of output", result.Text().Len())
		}
		u, code = again, c
	}
	return u, code, best
}
