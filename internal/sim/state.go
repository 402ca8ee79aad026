package sim

import (
	"fmt"
	"strconv"
)

// kindOfTask is how a Task's work is done, and how that is written.
type kindOfTask struct {
	resource string
	request  string // of JSONPath, "" for none
	query    string // the same of JSONata
	awaited  bool   // somebody outside completes it: it must have a time
	nested   bool
}

var invoke = kindOfTask{
	resource: "arn:aws:states:::lambda:invoke",
	request:  `"Parameters":{"FunctionName":"f","Payload.$":"$"},`,
	query:    `"Arguments":{"FunctionName":"f","Payload":"{% $states.input %}"},`,
}

func (g *generator) kind() kindOfTask {
	roll := g.c.IntN(100)
	switch {
	case g.express && roll < 60 || roll < 40:
		return invoke
	case !g.express && roll < 49:
		k := kindOfTask{resource: "arn:aws:states:::batch:submitJob.sync"}
		k.request, k.query = `"Parameters":{"JobName":"j"},`, `"Arguments":{"JobName":"j"},`
		return k
	case g.express || roll < 55:
		return kindOfTask{resource: "arn:aws:lambda:" + region + ":" + account + ":function:f"}
	case roll < 72:
		k := invoke
		k.resource += ".waitForTaskToken"
		k.request = `"Parameters":{"FunctionName":"f","Payload":{"in.$":"$","token.$":"$$.Task.Token"}},`
		k.query = `"Arguments":{"FunctionName":"f","Payload":{"token":"{% $states.context.Task.Token %}"}},`
		k.awaited = true
		return k
	case roll < 86 || len(g.children) == 0:
		return kindOfTask{resource: arnActivity + "act" + strconv.Itoa(g.c.IntN(2)), awaited: true}
	}
	return g.nested()
}

// nested is a Task that starts an execution of an earlier machine.
func (g *generator) nested() kindOfTask {
	child := pick(g.c, g.children...)
	suffix := pick(g.c, "", ".sync", ".sync:2")
	if child.express {
		suffix = ""
	}
	name := ""
	if g.c.once(6) { // the second one to ask for it is refused
		name = `"Name":"only",`
	}
	return kindOfTask{
		resource: "arn:aws:states:::states:startExecution" + suffix,
		request:  `"Parameters":{` + name + `"StateMachineArn":"` + child.arn + `","Input":{"n.$":"$.n","items.$":"$.few","few":[1],"last.$":"$.last"}},`,
		query: `"Arguments":{` + name + `"StateMachineArn":"` + child.arn +
			`","Input":{"n":"{% $states.input.n %}","items":[1],"few":[],"last":"{% $states.input.last %}"}},`,
		nested: true,
	}
}

func (f *flow) task(jsonata bool) string {
	g := f.g
	k := g.kind()
	text := begin("Task", jsonata) + `"Resource":"` + k.resource + `",` + f.mishaps(jsonata)
	if jsonata {
		text += k.query + f.jsonataResult(k)
	} else {
		text += k.request + f.pathResult(k)
	}
	return text + f.times(k) + f.onward() + `}`
}

func (f *flow) pathResult(k kindOfTask) string {
	g := f.g
	switch {
	case k.nested:
		return `"ResultSelector":{"v":4,"arn.$":"$.ExecutionArn"},"ResultPath":"$.last",`
	case g.c.once(5):
		return `"Assign":{"` + g.variableName() + `.$":"$.ok"},"ResultPath":"$.last",`
	case g.c.once(6):
		return `"ResultSelector":{"v.$":"$.v"},"ResultPath":"$.last",`
	case g.c.once(10):
		return `"ResultPath":null,`
	}
	return `"ResultPath":"$.last",`
}

func (f *flow) jsonataResult(k kindOfTask) string {
	g := f.g
	switch {
	case k.nested:
		return `"Output":"{% $merge([$states.input, {'last': {'v': 6}}]) %}",`
	case g.c.once(40):
		return `"Output":"{% $error('an expression that fails') %}",`
	case g.c.once(4):
		return `"Assign":{"` + g.variableName() + `":"{% $states.result.v %}"},"Output":"{% $merge([$states.input, {'last': $states.result}]) %}",`
	}
	return `"Output":"{% $merge([$states.input, {'last': {'v': $states.result.v}}]) %}",`
}

// variableName is a name that nothing else in the definition assigns.
func (g *generator) variableName() string {
	g.names++
	return "v" + strconv.Itoa(g.names)
}

// times bounds a task's time: always where somebody outside may forget it.
func (f *flow) times(k kindOfTask) string {
	g := f.g
	timeout, heartbeat := 0, 0
	switch {
	case k.awaited && g.c.once(3):
		heartbeat = g.c.between(2, 15)
	case k.awaited && g.c.once(2):
		heartbeat = g.c.between(2, 10)
		timeout = heartbeat + g.c.between(5, 60)
	case k.awaited, !k.nested && g.c.once(2), g.c.once(6):
		timeout = g.c.between(4, 60)
	}
	text := ""
	if timeout > 0 {
		text += fmt.Sprintf(`"TimeoutSeconds":%d,`, timeout)
	}
	if heartbeat > 0 {
		text += fmt.Sprintf(`"HeartbeatSeconds":%d,`, heartbeat)
	}
	return text
}
