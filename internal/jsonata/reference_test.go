package jsonata

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/backstep/backstep/internal/fuzz"
	"github.com/backstep/backstep/internal/value"
)

// engine206 is a process that evaluates with JSONata's own engine, 2.0.6.
type engine206 struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// verdict is what the reference made of an expression.
type verdict struct {
	Value    any    `json:"value"`
	Nothing  bool   `json:"nothing"`
	Function bool   `json:"function"`
	Code     string `json:"code"`
}

func startReference() (*engine206, error) {
	cmd := exec.Command("node", filepath.Join("testdata", "oracle", "oracle.js"))
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	return &engine206{cmd: cmd, in: in, out: bufio.NewReader(out)}, cmd.Start()
}

// ask evaluates. A reference that takes too long is killed, and of no more use.
func (r *engine206) ask(source, input string) (v verdict, err error) {
	line, err := json.Marshal(map[string]any{"source": source, "input": json.RawMessage(input)})
	if err != nil {
		return v, err
	}
	slow := time.AfterFunc(2*time.Second, func() { r.cmd.Process.Kill() })
	defer slow.Stop()
	fmt.Fprintf(r.in, "%s\n", line)
	answer, err := r.out.ReadBytes('\n')
	if err != nil {
		return v, err
	}
	return v, json.Unmarshal(answer, &v)
}

// incomparable is what the two differ in and may: functions whose results are
// new each time; names of members that are whole numbers, which JavaScript puts
// before all others; separators behind optional digits, where the reference drops
// digits of a number that does not reach them; patterns called without a text,
// which it looks for in the word "undefined"; and a bracket or slash behind a
// pattern's escaped backslash, which it takes for escaped.
var incomparable = regexp.MustCompile(`\$(now|millis|random|shuffle)|["'` + "`" + `]\d+["'` + "`" + `]|#[#\pN]*[^#\pN"'` + "`" + `]|/[a-z]*\s*\(\s*\)|\\\\[\[\](){}/]`)

// FuzzReference compares with the reference: what it gives we give, and what it
// refuses we refuse. make fuzz installs it.
func FuzzReference(f *testing.F) {
	if _, err := os.Stat(filepath.Join("testdata", "oracle", "node_modules", "jsonata")); err != nil {
		f.Skip("SKIPPED: the reference is not installed: npm ci --prefix internal/jsonata/testdata/oracle")
	}
	document := `{"a":{"b":[1,2.5,"x",null,true,{"c":"é"}]},"items":[{"sku":"s1","qty":2,"price":9.5},{"sku":"s2","qty":1,"price":20}],"n":-3,"s":"one two"}`
	for _, source := range []string{
		`a.b[1]`, `items[qty>1].(qty*price) ~> $sum()`, `items^(>price){sku: $sum(qty)}`, `$map(items, function($v,$i){$i & $v.sku})`,
		`$replace(s, /(\w+) (\w+)/, "$2 $1")`, `items@$i#$n.%.n`, `a ~> |b|{"d":1},"c"|`, `$formatNumber(n, "#,##0.00;(0)")`, `n > 0 ? "p" : "m"`,
		`$fromMillis(1510067557121, "[D01]/[M01]/[Y0001]")`, `[1..3].($ * $)`, `$reduce(items.qty, function($a,$b){$a+$b})`, `**.c`, `$string(a)`,
		`$sort(items, function($l,$r){$l.price>$r.price}).sku`, `$split(s," ") ~> $join("-")`, `($f := function($x){$x<2?1:$x*$f($x-1)}; $f(5))`, `a.*`, `$merge([a,{"z":1}])`,
	} {
		f.Add(source, document)
	}
	var r *engine206
	f.Cleanup(func() {
		if r != nil {
			r.in.Close()
			r.cmd.Wait()
		}
	})
	f.Fuzz(func(t *testing.T, source, input string) {
		if _, err := value.Check(input); err != nil || !utf8.ValidString(source) || strings.Contains(input, "\n") || len(source) > 500 || len(input) > 2000 {
			t.Skip()
		}
		if incomparable.MatchString(source) || incomparable.MatchString(input) {
			t.Skip()
		}
		if json.Unmarshal([]byte(input), new(any)) != nil {
			t.Skip() // a number that no double holds passes through unchanged here, and is infinite there
		}
		var got verdict
		var ours bool
		fuzz.Bounded(t, func() { got, ours = evaluated(t, source, input) })
		if ours {
			t.Skip()
		}
		if r == nil {
			var err error
			if r, err = startReference(); err != nil {
				t.Fatal(err)
			}
		}
		want, err := r.ask(source, input)
		if err != nil {
			r.cmd.Wait()
			r = nil
			t.Skip("the reference took too long")
		}
		if want.Code == "LIMIT" {
			t.Skip()
		}
		if (got.Code == "") != (want.Code == "") || !reflect.DeepEqual(got.Value, want.Value) || got.Nothing != want.Nothing || got.Function != want.Function {
			t.Errorf("%s of %s\n gives %+v\n  not %+v", source, input, got, want)
		}
	})
}

// evaluated is what we make of an expression; ours, that a bound of our own
// ended it.
func evaluated(t *testing.T, source, input string) (v verdict, ours bool) {
	e, err := Compile(source, Reference)
	if err == nil {
		result, evalErr := e.Eval(Env{Input: decode(t, input), Budget: Budget{Steps: 20_000, Bytes: 1 << 20}})
		switch err = evalErr; {
		case errors.Is(err, ErrFunction):
			return verdict{Function: true}, false
		case err != nil:
		case result.IsAbsent():
			return verdict{Nothing: true}, false
		default:
			if err := json.Unmarshal([]byte(result.Text().String()), &v.Value); err != nil {
				t.Fatal(err)
			}
			return v, false
		}
	}
	var reason *Error
	if !errors.As(err, &reason) {
		t.Fatal(err)
	}
	// D1001: where the reference goes on with Infinity or NaN, and makes null of
	// it in the end, we stop; D3150, where it writes NaN for the parts of a time that
	// no calendar has. D3132: a component that is none, which it writes as
	// "undefined".
	return verdict{Code: reason.Code}, strings.HasPrefix(reason.Code, "S09") || strings.HasPrefix(reason.Code, "U") || reason.Code == "D1001" || reason.Code == "D3132" || reason.Code == "D3150"
}
