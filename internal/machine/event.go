package machine

// Event is what history tells: one flat shape for all of AWS's 62 types. Texts
// that may be long are payloads.
type Event struct {
	ID, Prev, At int64
	Type         EventType
	State        string // of an Entered, Exited or EvaluationFailed
	In, Out      Ref    // input, parameters; output
	Error, Cause *string
	Resource     string // of a Task's events; a function's or activity's ARN
	ResourceType string
	Timeout      int64 // seconds, 0: not given
	Heartbeat    int64 // seconds, 0: not given
	Worker       string
	Location     string // of an EvaluationFailed
	RoleARN      string
	Index        int // of an item
	Length       int // of a Map
	Assigned     []Binding
}

// EventType is one of AWS's history event types.
type EventType uint8
