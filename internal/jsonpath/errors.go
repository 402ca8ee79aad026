package jsonpath

import "fmt"

// SyntaxError tells why a text is no path, reference path or expression.
type SyntaxError struct {
	Text   string // what was to be compiled
	Offset int    // in bytes, from 0
	Reason string // what was met, in a few words
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not a path or call at byte %d: %s", e.Offset, e.Reason)
}

// NotFound tells that a path gives nothing, in the words of the service.
type NotFound struct {
	Path   string // as it was written
	Call   string // the whole expression, where the path is an argument within one
	Reason string // such as "No results for path: $['a']"

	beyond bool // the path ends with an index outside its array
	misuse bool // the service shows its reason, whatever the field
}

// Error is what the service says of a path that makes up a field of its own
// (InputPath, OutputPath, TimeoutSecondsPath).
func (e *NotFound) Error() string { return "Invalid path '" + e.Path + "' : " + e.Reason }

// InField is what the service says where the path stands in the named field
// ("amount.$", "ErrorPath"), or in a call there. The input is the text of what
// the path was to be found in; for a path within a call it is the state's.
func (e *NotFound) InField(field, input string) string {
	switch {
	case e.Call != "" && e.misuse:
		return functionError(e.Call, e.Reason)
	case e.Call != "":
		path := e.Path
		if len(path) > 1 && path[:2] == "$$" {
			path = path[1:] // so the service spells paths into the context object here
		}
		return functionError(e.Call, "The JsonPath argument for the field '"+path+"' could not be found in the input '"+input+"'")
	case e.misuse:
		return e.Error()
	}
	return "The JSONPath '" + e.Path + "' specified for the field '" + field + "' could not be found in the input '" + input + "'"
}

// SetError tells that a reference path can't be applied to a value: something
// on its way is neither an object nor an array long enough.
type SetError struct {
	Path  string // as it was written
	Input string // the text of the value
}

// Error is what the service says of it.
func (e *SetError) Error() string {
	return "Unable to apply ReferencePath " + e.Path + " to input " + e.Input
}

// IntrinsicError tells why an intrinsic function gave nothing. The States
// Language names it States.IntrinsicFailure; the service itself is seen to end
// such executions with States.Runtime.
type IntrinsicError struct {
	Call  string // the whole expression as it was written
	Cause string // such as "Invalid arguments in States.MathAdd"
}

// Error is what the service says of it.
func (e *IntrinsicError) Error() string { return functionError(e.Call, e.Cause) }

func functionError(call, cause string) string {
	return "The function '" + call + "' had the following error: " + cause
}
