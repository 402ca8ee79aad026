package jsonata

import (
	"errors"
	"fmt"
)

// ErrFunction is the error of an evaluation whose result is a function, which
// is no JSON.
var ErrFunction = errors.New("the result is a function")

// Error tells why an expression can't be compiled or evaluated. Its codes are
// those of JSONata 2.0.6, and these of our own:
//
//	U1001  the evaluation takes too many steps, or nests too deeply
//	U1002  the evaluation takes too much memory
//	U1003  the result is too long
//	S0303  a pattern is not a regular expression
//	S0901  the expression is too long
//	S0902  the expression nests too deeply
//	S0903  the expression is not UTF-8
//	D3150  an argument of $partition, $range, $hash or $parse is out of bounds
type Error struct {
	Code     string
	Position int    // where in the source: bytes to the end of what is to blame
	Token    string // what stands there, or the function that was called
	Message  string // in words, without the code
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// The codes of our own.
const (
	codeSpent  = "U1001"
	codeMemory = "U1002"
	codeOutput = "U1003"

	codePattern    = "S0303"
	codeTooLong    = "S0901"
	codeTooDeep    = "S0902"
	codeNotText    = "S0903"
	codeOutOfRange = "D3150"
)

// messages says each code in words. Verbs stand for what newError is given.
var messages = map[string]string{
	"S0101": "The string literal has no closing quote",
	"S0102": "The number is out of range: %v",
	"S0103": "The escape sequence \\%v is not supported",
	"S0104": "The escape sequence \\u must be followed by 4 hexadecimal digits",
	"S0105": "The quoted name has no closing backtick",
	"S0106": "The comment has no end",
	"S0201": "Syntax error: %q",
	"S0202": "Expected %q, got %q",
	"S0203": "Expected %q before the end of the expression",
	"S0204": "Unknown operator: %q",
	"S0206": "Unknown kind of expression: %q",
	"S0207": "Unexpected end of expression",
	"S0208": "Parameter %v of a function definition must be a variable name (start with $), not %q",
	"S0209": "A predicate cannot follow a grouping expression in a step",
	"S0210": "Each step can only have one grouping expression",
	"S0211": "The symbol %q cannot be used as a unary operator",
	"S0212": "The left side of := must be a variable name (start with $)",
	"S0213": "The literal value %v cannot be used as a step within a path expression",
	"S0214": "The right side of %v must be a variable name (start with $)",
	"S0215": "A context variable binding must precede any predicates on a step",
	"S0216": "A context variable binding must precede the order-by clause on a step",
	"S0217": "The object that the parent operator means cannot be derived",
	"S0301": "Empty regular expressions are not allowed",
	"S0302": "The regular expression has no terminating /",
	"S0401": "Type parameters can only be applied to functions and arrays, not to %q",
	"S0402": "Choice groups that contain parameterized types are not supported: %q",

	codePattern:    "The regular expression is not valid: %v",
	codeTooLong:    "The expression is longer than %d bytes",
	codeTooDeep:    "The expression nests too deeply",
	codeNotText:    "The expression is not UTF-8",
	codeOutOfRange: "%v",

	"T0410": "Argument %d of function %q does not match the function's signature",
	"T0411": "The context value is not a compatible type with argument %d of function %q",
	"T0412": "Argument %d of function %q must be an array of %v",

	"D1001": "Number out of range: %v",
	"D1002": "Cannot negate a non-numeric value: %v",
	"D1004": "The regular expression matches a zero-length string",
	"D1009": "More than one key definition evaluates to the same key: %q",
	"D2014": "The range of %v items is larger than 10000000",
	"D3001": "Attempted to make a string of Infinity or NaN",
	"D3010": "The second argument of $replace must not be an empty string",
	"D3011": "The fourth argument of $replace must not be negative",
	"D3012": "The replacement function did not return a string",
	"D3020": "The third argument of $split must not be negative",
	"D3030": "Unable to cast the value to a number: %v",
	"D3040": "The third argument of $match must not be negative",
	"D3050": "The function given to $reduce must take at least two arguments",
	"D3060": "$sqrt cannot be applied to a negative number: %v",
	"D3061": "$power has no numeric result for base %v and exponent %v",
	"D3070": "$sort with one argument takes an array of strings or an array of numbers. Use the second argument to give a comparison function",
	"D3080": "The picture string must not have more than one pattern separator",
	"D3081": "A sub-picture must not have more than one decimal separator",
	"D3082": "A sub-picture must not have more than one percent character",
	"D3083": "A sub-picture must not have more than one per-mille character",
	"D3084": "A sub-picture must not have both a percent and a per-mille character",
	"D3085": "The mantissa of a sub-picture must have a digit, mandatory or optional",
	"D3086": "A sub-picture must not have a passive character between two active ones",
	"D3087": "A sub-picture must not have a grouping separator next to the decimal separator",
	"D3088": "The integer part of a sub-picture must not end with a grouping separator",
	"D3089": "A sub-picture must not have two grouping separators in a row",
	"D3090": "An optional digit of the integer part must not follow a mandatory one",
	"D3091": "A mandatory digit of the fractional part must not follow an optional one",
	"D3092": "A sub-picture must not have an exponent together with percent or per-mille",
	"D3093": "The exponent of a sub-picture must be made of mandatory digits alone, at least one",
	"D3100": "The radix of $formatBase must be between 2 and 36, not %v",
	"D3110": "The argument of $toMillis must be an ISO 8601 timestamp, not %q",
	"D3120": "Syntax error in the expression given to $eval: %v",
	"D3121": "Dynamic error in the expression given to $eval: %v",
	"D3130": "The sequence of digits %q is not a number that can be read or written",
	"D3131": "A decimal digit pattern must keep its digits within one family",
	"D3132": "Unknown component specifier %q in a date and time picture",
	"D3133": "The name modifier applies to months and days alone, not to %q",
	"D3134": "The timezone integer format must have at most 4 digits",
	"D3135": "The picture string has a [ without a matching ]",
	"D3136": "The date and time picture lacks a component that is needed to read the timestamp",
	"D3137": "%v",
	"D3138": "$single expected exactly 1 matching result, but matched more",
	"D3139": "$single expected exactly 1 matching result, but matched none",
	"D3140": "Malformed URL passed to $%v(): %q",
	"D3141": "%v",

	"T1003": "The key of an object must be a string, not %v",
	"T1005": "Attempted to invoke a non-function. Did you mean $%v?",
	"T1006": "Attempted to invoke a non-function",
	"T1007": "Attempted to partially apply a non-function. Did you mean $%v?",
	"T1008": "Attempted to partially apply a non-function",
	"T1010": "The matcher function does not return the right object structure",
	"T2001": "The left side of the %q operator must evaluate to a number",
	"T2002": "The right side of the %q operator must evaluate to a number",
	"T2003": "The left side of the range operator (..) must evaluate to an integer",
	"T2004": "The right side of the range operator (..) must evaluate to an integer",
	"T2006": "The right side of the function application operator ~> must be a function",
	"T2007": "Type mismatch when comparing values %v and %v in an order-by clause",
	"T2008": "The expressions within an order-by clause must evaluate to numbers or strings",
	"T2009": "The values %v and %v on either side of operator %q must be of the same type",
	"T2010": "The expressions on either side of operator %q must evaluate to numbers or strings",
	"T2011": "The insert/update clause of a transform expression must evaluate to an object, not %v",
	"T2012": "The delete clause of a transform expression must evaluate to a string or an array of strings, not %v",

	codeSpent:  "The evaluation takes more than %d %v",
	codeMemory: "The evaluation takes more than %d bytes of memory",
	codeOutput: "The result is longer than %d bytes",
}

// maxQuote is how many bytes of a text an error quotes.
const maxQuote = 200

// newError is the error of that code at a place in the source.
func newError(code string, position int, token string, args ...any) *Error {
	token = shorten(token)
	if code != "D3137" && code != "D3141" { // those say what the expression says
		for i, arg := range args {
			if s, ok := arg.(string); ok {
				args[i] = shorten(s)
			}
		}
	}
	return &Error{Code: code, Position: position, Token: token, Message: fmt.Sprintf(messages[code], args...)}
}

// shorten is s as far as an error quotes it.
func shorten(s string) string {
	if len(s) <= maxQuote {
		return s
	}
	cut := maxQuote
	for s[cut]&0xC0 == 0x80 {
		cut--
	}
	return s[:cut] + "…"
}
