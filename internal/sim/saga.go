package sim

import (
	"strings"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/value"
)

// The order saga: reserve, debit, ship, notify, and a chain of compensations by
// Catch. Its ledger must balance whatever happens: an order that SUCCEEDED was
// debited once and shipped, one that ended as undone was not.

const orderName = "Order"

// forward and undo are the saga's steps; %SHIP% is how the goods are sent.
const orderText = `{"StartAt":"Reserve","States":{
"Reserve":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"reserve","Payload.$":"$"},"ResultPath":"$.reserved","TimeoutSeconds":20,` + softly + `,` + caughtBy + `"Release"}],"Next":"Debit"},
"Debit":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"debit","Payload.$":"$"},"ResultPath":"$.debited","TimeoutSeconds":20,` + softly + `,` + caughtBy + `"Refund"}],"Next":"Ship"},
"Ship":{"Type":"Task","Resource":"%SHIP%","Parameters":{"FunctionName":"ship","Payload.$":"$"},"ResultPath":"$.shipped","TimeoutSeconds":30,` + softly + `,` + caughtBy + `"Recall"}],"Next":"Notify"},
"Notify":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:123456789012:function:notify","ResultPath":null,"TimeoutSeconds":10,` + caughtBy + `"Done"}],"Next":"Done"},
"Done":{"Type":"Succeed"},
"Recall":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"recall","Payload.$":"$"},"ResultPath":null,"TimeoutSeconds":20,` + stubbornly + `,"Next":"Refund"},
"Refund":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"refund","Payload.$":"$"},"ResultPath":null,"TimeoutSeconds":20,` + stubbornly + `,"Next":"Release"},
"Release":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"release","Payload.$":"$"},"ResultPath":null,"TimeoutSeconds":20,` + stubbornly + `,"Next":"Undone"},
"Undone":{"Type":"Fail","Error":"OrderUndone","Cause":"all that was done was undone"}}}`

const (
	softly     = `"Retry":[{"ErrorEquals":["E.Soft","States.Timeout"],"IntervalSeconds":1,"MaxAttempts":2,"BackoffRate":2}]`
	stubbornly = `"Retry":[{"ErrorEquals":["States.ALL"],"IntervalSeconds":1,"MaxAttempts":25,"BackoffRate":1.5,"MaxDelaySeconds":10,"JitterStrategy":"FULL"}]`
	caughtBy   = `"Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":"$.error","Next":`
)

// orderMachine is the saga's state machine; one in two ships by callback.
func orderMachine(c chance) *stateMachine {
	ship := "arn:aws:states:::lambda:invoke"
	if c.once(2) {
		ship += ".waitForTaskToken"
	}
	return newMachine(orderName, strings.ReplaceAll(orderText, "%SHIP%", ship), false)
}

// orderOf is the order that an execution of the saga handles.
func orderOf(execution string) (string, bool) {
	return strings.CutPrefix(execution, "arn:aws:states:"+region+":"+account+":execution:"+orderName+":")
}

// ledger is what the saga's participants keep: what was done under each key, and
// the balance of each order.
type ledger struct {
	keys   map[string]bool // step ids that had their effect
	orders map[string]*order
}

// order is one order's balance. What was undone is never done afterwards.
type order struct {
	done, undone map[string]int
}

func newLedger() ledger { return ledger{map[string]bool{}, map[string]*order{}} }

// undoes says which step each compensation takes back.
var undoes = map[string]string{"Release": "Reserve", "Refund": "Debit", "Recall": "Ship"}

// do does one step of an order's saga, once per key.
func (g *ledger) do(w *world, name, step, key string) (value.Text, error) {
	a := g.orders[name]
	if a == nil {
		a = &order{map[string]int{}, map[string]int{}}
		g.orders[name] = a
	}
	if undone, is := undoes[step]; is {
		if a.undone[undone] == 0 {
			a.undone[undone] = 1 // from now on it is not done any more
		}
		return value.Checked(`{"undone":true}`), nil
	}
	switch {
	case g.keys[key]:
	case a.undone[step] > 0:
		w.saw(lateDebit)
		return value.Text{}, integration.NewError("E.TooLate", "it was undone already", integration.EffectNamed)
	case w.paths.once(10):
		return value.Text{}, integration.NewError("E.Biz", "refused", integration.EffectNamed)
	default:
		g.keys[key] = true
		a.done[step]++
	}
	return value.Checked(`{"ok":true}`), nil
}

// balance checks an order whose execution has ended.
func (w *world) balance(l *life) {
	a := w.ledger.orders[l.start.Name]
	if a == nil {
		return
	}
	holds := func(step string) int {
		if a.undone[step] > 0 {
			return 0
		}
		return a.done[step]
	}
	undone := l.head.Error != nil && *l.head.Error == "OrderUndone"
	want := 0
	switch {
	case l.head.Status == machine.Succeeded:
		want = 1
		w.saw(sagaDone)
	case l.head.Status == machine.Failed && undone:
		w.saw(sagaUndone)
	default:
		return
	}
	for _, step := range []string{"Reserve", "Debit", "Ship"} {
		if a.done[step] > 1 {
			w.failf("I8", l.id, "order %s: %s had its effect %d times", l.start.Name, step, a.done[step])
		}
		if holds(step) != want {
			w.failf("I8", l.id, "order %s ended %v: %s stands at %d, not %d", l.start.Name, l.head.Status, step, holds(step), want)
		}
	}
}
