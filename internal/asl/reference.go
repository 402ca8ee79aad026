package asl

import "github.com/backstep/backstep/internal/value"

// VariableReferences are the variables that each state names, sorted, without
// the states that name none: the member of that name in DescribeStateMachine.
func (p *Program) VariableReferences() map[string][]string {
	references := make(map[string][]string)
	for _, s := range p.Order {
		if len(s.Reads) > 0 {
			references[s.Name] = s.Reads
		}
	}
	return references
}

// Resources are the resources that the program's Tasks call, each once, in the
// order of the text.
func (p *Program) Resources() []Resource {
	var all []Resource
	seen := make(map[string]bool)
	for _, s := range p.Order {
		if s.Task != nil && !seen[s.Task.Resource.Text] {
			seen[s.Task.Resource.Text] = true
			all = append(all, s.Task.Resource)
		}
	}
	return all
}

// Functions are the Lambda functions that the program calls by a name that
// stands in its text: ARNs, or what lambda:invoke is given as FunctionName.
// Each comes once, in the order of the text.
func (p *Program) Functions() []string {
	var all []string
	seen := make(map[string]bool)
	for _, s := range p.Order {
		if name := s.function(); name != "" && !seen[name] {
			seen[name] = true
			all = append(all, name)
		}
	}
	return all
}

// function is the Lambda function that a state calls, "" where it calls none
// or its name is computed.
func (s *State) function() string {
	switch {
	case s.Task == nil:
		return ""
	case s.Task.Resource.Kind == LambdaARN:
		return s.Task.Resource.Text
	case s.Task.Resource.Service != "lambda" || s.Parameters == nil:
		return ""
	}
	return s.Parameters.member("FunctionName").AsString()
}

// member is the constant that a template's member holds.
func (t *Template) member(name string) value.Value {
	for _, m := range t.Object {
		if m.Name == name {
			return m.Value.Constant
		}
	}
	return t.Constant.Get(name)
}
