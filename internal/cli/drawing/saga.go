package drawing

import (
	"fmt"

	"github.com/backstep/backstep/api"
)

// AddSaga adds what the whole saga log and the holds say.
func (t *Trail) AddSaga(x *api.DescribeSagaOutput) {
	t.Status += ", saga " + string(x.SagaStatus)
	undone := map[string]int{}
	undos := map[string]map[Mark]int{}
	for _, row := range x.Log {
		if row.Operation != api.SagaOperationCompensate {
			continue
		}
		mark := Running
		switch row.Status {
		case api.SagaStepStatusCompensated:
			mark = Done
			undone[row.StateName]++
		case api.SagaStepStatusCompensationFailed:
			mark = Failed
		case api.SagaStepStatusSkipped:
			mark = Stopped
		}
		if undos[row.StateName] == nil {
			undos[row.StateName] = map[Mark]int{}
		}
		undos[row.StateName][mark]++
	}
	for state, n := range undos {
		t.Undos[state] = standOf(n, &visit{})
	}
	t.undo(undone)
	for _, h := range x.Holds {
		stand := Stand{Mark: Held, Words: "waits for you"}
		if h.Error != nil {
			stand.Words += ": " + *h.Error
		}
		switch {
		case h.StateName == nil:
		case h.Operation == api.SagaOperationCompensate:
			t.Undos[*h.StateName] = stand
		default:
			t.States[*h.StateName] = stand
		}
	}
}

// undo says of the states that were undone that they were. One of which something
// is left is not marked so.
func (t *Trail) undo(undone map[string]int) {
	for state, n := range undone {
		stand, known := t.States[state]
		if !known {
			continue
		}
		stand.Words += ", undone"
		if n > 1 || stand.done > 1 {
			stand.Words += fmt.Sprintf(" %d×", n)
		}
		if stand.Mark == Done && n >= stand.done {
			stand.Mark = Compensated
		}
		t.States[state] = stand
	}
}
