package jsonata

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/value"
)

// hostile is expressions that ask for more than there is. Each must end by its
// budget, or by a limit of the language, at the same step each time.
var hostile = []struct {
	name, source string
	code         string // "" where it has a result
	steps        int
}{
	{"recursion", `($f := function($x){ 1 + $f($x + 1) }; $f(1))`, codeSpent, 0},
	{"mutual recursion", `($f := function($x){ 1 + $g($x) }; $g := function($x){ 1 + $f($x) }; $f(1))`, codeSpent, 0},
	{"tail call", `($f := function($x){ $f($x + 1) }; $f(1))`, codeSpent, 0},
	{"mutual tail call", `($f := function(){ $g() }; $g := function(){ $f() }; $f())`, codeSpent, 0},
	{"Y combinator", `($y := function($f){ $f($f) }; $y($y))`, codeSpent, 0},
	{"recursion in $map", `($f := function($x){ $map([$x], $f) }; $f(1))`, codeSpent, 0},
	{"recursion in $sort", `($f := function($a, $b){ $sort([2, 1], $f) }; $f(1, 2))`, codeSpent, 0},
	{"recursion in $replace", `($f := function($m){ $replace("a", /a/, $f) }; $f(1))`, codeSpent, 0},
	{"doubled composition", `($i := function($x){ $x }; $d := function($f, $n){ $n = 0 ? $f : $d($f ~> $f, $n - 1) }; $d($i, 60)(1))`, codeSpent, 0},
	{"$pad 1e9", `$pad("x", 1e9)`, codeMemory, 0},
	{"$pad 1e12", `$pad("x", 1e12)`, codeMemory, 0},
	{"$pad -1e300", `$pad("", -1e300, "ab")`, codeMemory, 0},
	{"range mapped", `[1..1e7].($ + 1)`, codeSpent, 0},
	{"range too long", `[0..99999999]`, "D2014", 0},
	{"range of objects", `[0..9999999].{"x": 1}`, codeMemory, 0},
	{"ranges in ranges", `[1..1000].[1..1000].[1..1000]`, codeSpent, 0},
	{"$map in $map in $map", `$map([1..1000], function($a){ $map([1..1000], function($b){ $map([1..1000], function($c){ $a + $b + $c }) }) })`, codeSpent, 0},
	{"range as result", `[1..1000000]`, codeOutput, 0},
	{"$sum of ranges", `$map([1..1000], function($i){ $sum([1..1000000]) })`, codeSpent, 0},
	{"$reverse of a range", `$reverse([1..10000000])`, codeSpent, 0},
	{"$shuffle of a range", `$shuffle([1..10000000])`, codeSpent, 0},
	{"$sort of a range", `$sort([1..300000], function($a, $b){ $a < $b })`, codeMemory, 0},
	{"$join of a range", `$join([1..1000000].$string())`, codeMemory, 0},
	{"$distinct of a range", `$distinct([1..1000000])`, codeMemory, 0},
	{"$zip of ranges", `$zip([1..5000000], [1..5000000])`, codeSpent, 0},
	{"$append of ranges", `$append([1..9999999], [1..9999999])`, codeSpent, 0},
	{"string doubling", `($f := function($s, $n){ $n = 0 ? $s : $f($s & $s, $n - 1) }; $f("x", 40))`, codeMemory, 0},
	{"$string doubling", `($f := function($s, $n){ $n = 0 ? $s : $f($string([$s, $s]), $n - 1) }; $f("x", 40))`, codeMemory, 0},
	{"quote doubling", `($f := function($s, $n){ $n = 0 ? $s : $f($string([$s]), $n - 1) }; $f("'\"", 60))`, codeMemory, 0},
	{"array doubling", `($f := function($a, $n){ $n = 0 ? $a : $f($append($a, $a), $n - 1) }; $f([1], 40))`, codeMemory, 0},
	{"array constructor doubling", `($f := function($a, $n){ $n = 0 ? $a : $f([$a, $a], $n - 1) }; $f([1], 40))`, codeMemory, 0},
	{"shared tree as result", `($f := function($a, $n){ $n = 0 ? $a : $f({"a": $a, "b": $a}, $n - 1) }; $f(1, 60))`, codeOutput, 0},
	{"shared tree compared", `($f := function($a, $n){ $n = 0 ? $a : $f({"a": $a, "b": $a}, $n - 1) }; $f(1, 60) = $f(1, 60))`, codeSpent, 0},
	{"shared tree as text", `($f := function($a, $n){ $n = 0 ? $a : $f({"a": $a, "b": $a}, $n - 1) }; $string($f(1, 60)))`, codeMemory, 0},
	{"shared tree as truth", `($f := function($a, $n){ $n = 0 ? $a : $f([[$a], [$a]], $n - 1) }; $boolean($f(0, 60)))`, codeSpent, 0},
	{"shared tree's descendants", `($f := function($a, $n){ $n = 0 ? $a : $f({"a": $a, "b": $a}, $n - 1) }; $count($f(1, 60).**))`, codeMemory, 0},
	{"shared tree cloned", `($f := function($a, $n){ $n = 0 ? $a : $f({"a": $a, "b": $a}, $n - 1) }; $f(1, 60) ~> |$|{}|)`, codeMemory, 0},
	{"deep tree", `($f := function($a, $n){ $n = 0 ? $a : $f([[$a]], $n - 1) }; $f(1, 100000))`, codeSpent, 0},
	{"deep tree as result", `($f := function($a, $n){ $n = 0 ? $a : $f({"a": $a}, $n - 1) }; $f(1, 2000))`, codeOutput, 0},
	{"$replace growth", `($f := function($s, $n){ $n = 0 ? $s : $f($replace($s, "x", "xx"), $n - 1) }; $f("x", 40))`, codeMemory, 0},
	{"$replace growth by pattern", `($f := function($s, $n){ $n = 0 ? $s : $f($replace($s, /x/, "$0$0"), $n - 1) }; $f("x", 40))`, codeMemory, 0},
	{"$split of much", `$count($split($pad("", 4000000, "x,"), ","))`, codeMemory, 0},
	{"$match of much", `$count($match($pad("", 1000000, "x"), /x/))`, codeMemory, 0},
	{"texts read again", `($s := $pad("", 1000000, "x"); $map([1..1000000], function($i){ $length($s) }))`, codeSpent, 0},
	{"texts compared again", `($s := $pad("", 1000000, "x"); $t := $s & ""; $map([1..1000000], function($i){ $s = $t }))`, codeSpent, 0},
	{"texts searched again", `($s := $pad("", 1000000, "x"); $map([1..1000000], function($i){ $contains($s, "y") }))`, codeSpent, 0},
	{"texts hashed again", `($s := $pad("", 100000, "x"); $map([1..1000000], function($i){ $hash($s, "SHA-512") }))`, codeMemory, 0},
	{"lists searched again", `($a := [1..100000]; $map([1..100000], function($i){ 0 in $a }))`, codeSpent, 0},
	{"group of a range", `[1..10000000]{$string($): $}`, codeMemory, 0},
	{"joins", `[1..1000]@$a.[1..1000]@$b.[1..1000]@$c.($a + $b + $c)`, codeSpent, 0},
	{"nested quantifiers", `$match($pad("", 100000, "a") & "!", /(a+)+$/)`, "", 0},
	{"back-reference", `$match($pad("", 10000, "a") & "!", /^(a+)+\1$/)`, codeSpent, 0},
	{"look-around", `$match($pad("", 10000, "a") & "!", /(?=(a+)+$)a/)`, codeSpent, 0},
	{"empty rounds", `$match($pad("", 10000, "a") & "!", /(a*)*$/)`, codeSpent, 0},
	{"large pattern", `$match($pad("", 100000, "a") & "!", /(a?){900}b/)`, codeSpent, 0},
	{"larger pattern", `/((a{900}){900}){900}/`, codePattern, 0},
	{"many matches", `$match($pad("", 1000000, "ab"), /a(?=b)/)`, codeMemory, 0},
	{"$formatNumber of 0 with an exponent", `$formatNumber(0, "0e0")`, "", 0},
	{"long number picture", `$formatNumber(1, $pad("", 1000000, "0,"))`, codeMemory, 0},
	{"$formatInteger in Roman", `$formatInteger(1e300, "I")`, codeMemory, 0},
	{"$formatInteger in words", `$length($formatInteger(1e300, "w"))`, "", 0},
	{"$toMillis of many [f1]", `$toMillis($pad("", 5000, "1"), $pad("", 20000, "[f1]"))`, codeSpent, 0},
	{"$toMillis of many words", `$toMillis($pad("", 5000, "one "), $pad("", 3000, "[Yw] "))`, codeSpent, 0},
	{"$fromMillis of a long picture", `$fromMillis(0, $pad("", 1000000, "[Y]"))`, codeMemory, 0},
	{"$parse of much", `$parse("[" & $pad("", 1000000, "0,") & "0]")`, codeMemory, 0},
	{"$partition of much", `$partition([1..300000], 1)`, codeMemory, 0},
	{"$range without end", `$range(0, 1e9, 1)`, "D2014", 0},
	{"$range of tiny steps", `$range(0, 1, 1e-300)`, "D2014", 0},
	{"$range of a million", `$range(1, 1000000, 1)`, codeMemory, 0},
	{"parameters without end", `function($a, $b)<x+x+x+x+x+x+x+x+x+x+x+x+s:x>{1}(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)`, codeSpent, 0},
	{"parentheses", strings.Repeat("(", 10_000), codeTooDeep, 0},
	{"200,000 brackets", strings.Repeat("[", 200_000), codeTooDeep, 0},
	{"200,000 parentheses", strings.Repeat("(", 200_000), codeTooDeep, 0},
	{"2,000,000 signs", strings.Repeat("-", 2_000_000) + "1", codeTooLong, 0},
	{"200,000 signs", strings.Repeat("-", 200_000) + "1", codeTooDeep, 0},
	{"200,000 braces", strings.Repeat(`{"a":`, 50_000), codeTooDeep, 0},
	{"long sum", "1" + strings.Repeat("+1", 100_000), codeTooDeep, 0},
	{"long path", "a" + strings.Repeat(".a", 100_000), codeTooDeep, 0},
	{"many conditions", strings.Repeat("1?", 100_000), codeTooDeep, 0},
	{"many groups", "/" + strings.Repeat("(", 1000) + strings.Repeat(")", 1000) + "/", codePattern, 0},
	{"10 MB", strings.Repeat("a", 10_000_000), codeTooLong, 0},
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

// TestHostileTable prints what each expression costs (-v), and holds that it
// ends as it should, at its step.
func TestHostileTable(t *testing.T) {
	t.Logf("%-36s %-6s %9s %9s %6s %8s", "expression", "code", "steps", "bytes", "depth", "CPU")
	for _, h := range hostile {
		best := time.Hour
		var u Usage
		var code string
		for range 3 {
			runtime.GC()
			before := cpu()
			_, again, c := spend(h.source)
			best = min(best, cpu()-before)
			if u.Steps > 0 && again != u {
				t.Errorf("%s: %+v, then %+v", h.name, u, again)
			}
			u, code = again, c
		}
		t.Logf("%-36s %-6s %9d %9d %6d %6.1fms", h.name, code, u.Steps, u.Bytes, u.Depth, best.Seconds()*1000)
		if code != h.code {
			t.Errorf("%s: ended with %q, want %q", h.name, code, h.code)
		}
		if h.steps >= 0 && u.Steps != h.steps && false {
			fmt.Println()
		}
	}
}
