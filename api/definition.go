package api

// ValidateStateMachineDefinitionResultCode says whether a definition can be made a state machine.
type ValidateStateMachineDefinitionResultCode string

// The results of a validation.
const (
	ValidateStateMachineDefinitionResultCodeOk   ValidateStateMachineDefinitionResultCode = "OK"
	ValidateStateMachineDefinitionResultCodeFail ValidateStateMachineDefinitionResultCode = "FAIL"
)

// Values lists the results in the order of the API.
func (ValidateStateMachineDefinitionResultCode) Values() []string { return []string{"OK", "FAIL"} }

// ValidateStateMachineDefinitionSeverity says whether a diagnostic refuses a definition (ERROR) or is advice (WARNING).
type ValidateStateMachineDefinitionSeverity string

// The severities of diagnostics.
const (
	ValidateStateMachineDefinitionSeverityError   ValidateStateMachineDefinitionSeverity = "ERROR"
	ValidateStateMachineDefinitionSeverityWarning ValidateStateMachineDefinitionSeverity = "WARNING"
)

// Values lists the severities in the order of the API.
func (ValidateStateMachineDefinitionSeverity) Values() []string { return []string{"ERROR", "WARNING"} }

// ValidateStateMachineDefinitionInput is what ValidateStateMachineDefinition takes. Severity is the least that is told, ERROR where it is absent;
// MaxResults is the most that is told, 100 where it is 0.
type ValidateStateMachineDefinitionInput struct {
	Definition string                                 `json:"definition" check:"required,1..1048576,secret"`
	Type       StateMachineType                       `json:"type,omitzero"` // STANDARD where it is absent
	Severity   ValidateStateMachineDefinitionSeverity `json:"severity,omitzero"`
	MaxResults int32                                  `json:"maxResults,omitzero" check:"0..100"`
}

// ValidateStateMachineDefinitionOutput says whether a definition is good, and what is to be said of it. Truncated says that there is more.
type ValidateStateMachineDefinitionOutput struct {
	Result      ValidateStateMachineDefinitionResultCode   `json:"result"`
	Diagnostics []ValidateStateMachineDefinitionDiagnostic `json:"diagnostics"`
	Truncated   *bool                                      `json:"truncated,omitzero"`
}

// ValidateStateMachineDefinitionDiagnostic is one thing to say about a definition. Location is a place in it, as in /States/Pay/Next.
type ValidateStateMachineDefinitionDiagnostic struct {
	Severity ValidateStateMachineDefinitionSeverity `json:"severity"`
	Code     string                                 `json:"code"`
	Message  string                                 `json:"message"`
	Location *string                                `json:"location,omitzero"`
}
