package aws

import (
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// emrActions are the actions of the EMR integration, which speaks of clusters
// and single steps where the service's API has job flows and lists.
var emrActions = map[string]action{
	"createCluster":                   {"emr", "runJobFlow", nil, renamed("JobFlowId", "ClusterId")},
	"terminateCluster":                {"emr", "terminateJobFlows", listed("ClusterId", "JobFlowIds"), nil},
	"addStep":                         {"emr", "addJobFlowSteps", both(listed("Step", "Steps"), given("ClusterId", "JobFlowId")), single("StepIds", "StepId")},
	"cancelStep":                      {"emr", "cancelSteps", listed("StepId", "StepIds"), single("CancelStepsInfoList", "CancelStepsInfo")},
	"setClusterTerminationProtection": {"emr", "setTerminationProtection", listed("ClusterId", "JobFlowIds"), nil},
}

// change makes parameters of parameters.
type change = func(c *client, t integration.Task, params value.Value) (value.Value, error)

// given gives a parameter its name in the API.
func given(name, to string) change {
	return func(_ *client, _ integration.Task, params value.Value) (value.Value, error) {
		return replaced(params, name, to, params.Get(name)), nil
	}
}

// listed puts a parameter alone into a list.
func listed(name, to string) change {
	return func(_ *client, _ integration.Task, params value.Value) (value.Value, error) {
		v := params.Get(name)
		if !v.IsAbsent() {
			v = value.NewArray([]value.Value{v})
		}
		return replaced(params, name, to, v), nil
	}
}

func both(a, b change) change {
	return func(c *client, t integration.Task, params value.Value) (value.Value, error) {
		params, err := a(c, t, params)
		if err != nil {
			return params, err
		}
		return b(c, t, params)
	}
}

// renamed gives a member of the result its name in the integration.
func renamed(name, to string) func(value.Value) (value.Value, error) {
	return func(out value.Value) (value.Value, error) {
		return replaced(out, name, to, out.Get(name)), nil
	}
}

// single is the result with the only item of a list in the list's place.
func single(name, to string) func(value.Value) (value.Value, error) {
	return func(out value.Value) (value.Value, error) {
		v := value.Value{}
		if items := out.Get(name).Items(); len(items) > 0 {
			v = items[0]
		}
		return replaced(out, name, to, v), nil
	}
}

// replaced is an object with a member of another name and value in the place of
// one.
func replaced(object value.Value, name, by string, v value.Value) value.Value {
	if object.Kind() != value.Object {
		return object
	}
	b := value.NewBuilder(object.Len())
	for member, each := range object.Members() {
		if member == name {
			member, each = by, v
		}
		b.Set(member, each)
	}
	return b.Object()
}
