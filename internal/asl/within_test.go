package asl

import (
	"slices"
	"testing"
)

// TestWithin: what stands within a state is found in every kind of it, with all
// that it assigns and as it stands in the text.
func TestWithin(t *testing.T) {
	d, found := Parse([]byte(`{"QueryLanguage": "JSONata", "Saga": {}, "StartAt": "P", "States": {
		"P": {"Type": "Parallel", "Branches": [
			{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:a", "Assign": {"a": 1}, "Catch": [{"ErrorEquals": ["X"], "Assign": {"b": 1}, "Next": "Z"}], "End": true}, "Z": {"Type": "Succeed"}}},
			{"StartAt": "M", "States": {"M": {"Type": "Map", "ItemProcessor": {"StartAt": "B", "States": {"B": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:b", "End": true}}}, "End": true}}}], "Next": "S"},
		"S": {"Type": "Saga", "StartAt": "C", "States": {"C": {"Type": "Choice", "Choices": [{"Condition": true, "Assign": {"c": 1}, "Next": "D"}], "Default": "D"},
			"D": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:d", "End": true}}, "End": true}}}`))
	if d == nil {
		t.Fatal(found)
	}
	p, err := Compile(d, Rules{Distributed: true, Serves: OnAWS})
	if err != nil {
		t.Fatal(err)
	}
	var tasks []string
	for _, s := range p.Flow.States {
		for _, task := range s.Tasks() {
			tasks = append(tasks, task.Name)
		}
	}
	if !slices.Equal(tasks, []string{"A", "B", "D"}) {
		t.Errorf("the Tasks within: %v", tasks)
	}
	a, b := p.States["A"], p.States["B"]
	if a.In(p.Flow) != p.States["P"] || a.In(a.Flow) != a || a.In(b.Flow) != nil {
		t.Error("A does not stand where it stands")
	}
	if a.CommonFlow(b) != p.Flow || a.CommonFlow(p.States["Z"]) != a.Flow {
		t.Error("the common flow is another one")
	}
	assigned := ""
	for _, name := range []string{"A", "C", "D"} {
		for _, a := range p.States[name].Assignments() {
			assigned += a.Variables[0].Name
		}
	}
	if assigned != "abc" {
		t.Errorf("assigned: %s", assigned)
	}
	texts := p.Texts(d.Value())
	if len(texts) != len(p.Order) || texts["B"].Get("Resource").AsString() != "arn:aws:lambda:us-east-1:123456789012:function:b" {
		t.Errorf("%d texts: %v", len(texts), texts)
	}
}
