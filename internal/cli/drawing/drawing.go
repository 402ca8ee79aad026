// Package drawing is what the command line has drawn: a definition, and what became
// of an execution of it, as its history and its saga log tell. It refuses to know how
// they are drawn, and how they are read.
//
// Read drawing.go (what is told), then track.go (of a history) and saga.go (of a
// saga log).
package drawing

// Drawing is what is to be drawn, and how.
type Drawing struct {
	Definition []byte
	Title      string
	Trail      *Trail // of an execution; nil: there is none
	Format     string // "svg", "mermaid" or "json"
	Direction  string // "TD" or "LR"
}

// Trail is what became of an execution, state by state.
type Trail struct {
	Status string           `json:"status"`          // its own and its sagas', in words
	States map[string]Stand `json:"states"`          // those that were entered, by name
	Undos  map[string]Stand `json:"undos,omitempty"` // compensations, by the names of their steps
	Taken  []Passage        `json:"taken"`           // each once, in order of time
}

// Stand is what became of a state, with more words on that.
type Stand struct {
	Mark  Mark   `json:"mark"`
	Words string `json:"words"`

	done int // how often it ended well
}

// Mark is what became of a state, in a word.
type Mark string

// The marks.
const (
	Done        Mark = "done"
	Running     Mark = "running"
	Failed      Mark = "failed"
	Caught      Mark = "caught"
	Compensated Mark = "compensated"
	Held        Mark = "held"
	Stopped     Mark = "stopped"
)

// Passage is that one state followed another. From "" it is the machine's start, to
// "" its end.
type Passage struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Caught bool   `json:"caught,omitempty"`
}
