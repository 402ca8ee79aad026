package asl

import (
	"fmt"
	"strings"
)

// Severity tells whether a diagnostic refuses the definition.
type Severity string

// An Error refuses the definition; a Warning is advice.
const (
	Error   Severity = "ERROR"
	Warning Severity = "WARNING"
)

// Code is the kind of a diagnostic, as ValidateStateMachineDefinition names it.
type Code string

// The codes of ValidateStateMachineDefinition that this package gives.
const (
	InvalidJSON             Code = "INVALID_JSON_DESCRIPTION"
	MissingDescription      Code = "MISSING_DESCRIPTION"
	SchemaValidationFailed  Code = "SCHEMA_VALIDATION_FAILED"
	InvalidResource         Code = "INVALID_RESOURCE"
	MissingEndState         Code = "MISSING_END_STATE"
	DuplicateStateName      Code = "DUPLICATE_STATE_NAME"
	InvalidStateName        Code = "INVALID_STATE_NAME"
	DuplicateLabelName      Code = "DUPLICATE_LABEL_NAME"
	InvalidLabelName        Code = "INVALID_LABEL_NAME"
	MissingTransitionTarget Code = "MISSING_TRANSITION_TARGET"
	TooDeeplyNested         Code = "TOO_DEEPLY_NESTED"
	InvalidJSONata          Code = "INVALID_JSONATA_EXPRESSION"
	UnsupportedJSONata      Code = "UNSUPPORTED_JSONATA_EXPRESSION"
	NoDollar                Code = "NO_DOLLAR"             // warning
	NoPath                  Code = "NO_PATH"               // warning
	PassResultIsStatic      Code = "PASS_RESULT_IS_STATIC" // warning
)

// Diagnostic is one thing to say about a definition.
type Diagnostic struct {
	Severity Severity
	Code     Code
	Message  string
	Place    string // as AWS writes it: "/States/Pay/Choices[0]/Next", "/" for the root, "" for none
	Line     int    // from 1; 0 where there is none
	Column   int    // in characters, from 1
}

// String is the diagnostic as AWS writes it: "CODE: message at /place".
func (d Diagnostic) String() string {
	at := d.Place
	switch {
	case at == "" && d.Line > 0:
		at = fmt.Sprintf("[line: %d, column: %d]", d.Line, d.Column)
	case at == "":
		at = "null" // so does AWS write it
	}
	return string(d.Code) + ": " + d.Message + " at " + at
}

// Refusal is the error of [Compile]: the diagnostics that refuse a definition.
type Refusal struct {
	Diagnostics []Diagnostic
}

// Error is the refusal in the words of the service.
func (r *Refusal) Error() string { return Render(r.Diagnostics) }

// Render is the message of InvalidDefinition for diagnostics: every error in
// it, warnings left out, "" where there is none.
func Render(diagnostics []Diagnostic) string {
	var errors []string
	for _, d := range diagnostics {
		if d.Severity == Error {
			errors = append(errors, d.String())
		}
	}
	if errors == nil {
		return ""
	}
	return "Invalid State Machine Definition: '" + strings.Join(errors, ", ") + "'"
}
