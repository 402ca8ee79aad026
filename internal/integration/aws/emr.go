package aws

import (
	"context"
	"strconv"

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
	"modifyInstanceFleetByName":       {"emr", "modifyInstanceFleet", identified("InstanceFleet", "listInstanceFleets"), nil},
	"modifyInstanceGroupByName": {"emr", "modifyInstanceGroups",
		both(identified("InstanceGroup", "listInstanceGroups"), listed("InstanceGroup", "InstanceGroups")), nil},
}

// identified gives a part of a cluster, such as its "InstanceFleet", the id in
// place of the name by which the parameters know it. The cluster's list says
// which that is.
func identified(part, list string) change {
	return func(ctx context.Context, c *call, params value.Value) (value.Value, error) {
		name, changed := params.Get(part+"Name"), params.Get(part)
		if name.AsString() == "" || changed.Kind() != value.Object {
			return params, integration.BadParameters(c.task, "The fields '"+part+"Name' and '"+part+"' are required")
		}
		if changed.Has(part + "Id") {
			return params, integration.BadParameters(c.task, "The field '"+part+"Id' is not supported by Step Functions")
		}
		ids, err := c.idsOf(ctx, list, part+"s", params.Get("ClusterId"), name)
		switch {
		case err != nil:
			return params, err
		case len(ids) != 1:
			return params, integration.NewError(c.words.prefix+".InvalidRequestException",
				"The cluster has "+strconv.Itoa(len(ids))+" of the "+part+"Name '"+name.AsString()+"'", integration.EffectNone)
		}
		params = without(params, part+"Name")
		return params.With(part, without(changed, part+"Name").With(part+"Id", ids[0])), nil
	}
}

// idsOf are the ids of that name among the members of a cluster's list, which
// comes by pages.
func (c *call) idsOf(ctx context.Context, list, members string, cluster, name value.Value) ([]value.Value, error) {
	const mostPages = 100
	lister := *c
	lister.operation = c.model.Operations[list]
	var ids []value.Value
	marker := value.Value{}
	for range mostPages {
		page, _, err := lister.do(ctx, value.NewObject(
			value.Member{Name: "ClusterId", Value: cluster}, value.Member{Name: "Marker", Value: marker}))
		if err != nil {
			return nil, toldNothing(err, integration.EffectNone)
		}
		for _, each := range page.Get(members).Items() {
			if each.Get("Name").AsString() == name.AsString() {
				ids = append(ids, each.Get("Id"))
			}
		}
		if marker = page.Get("Marker"); marker.AsString() == "" {
			break
		}
	}
	return ids, nil
}

// without is an object without a member.
func without(object value.Value, name string) value.Value {
	return replaced(object, name, name, value.Value{})
}

// given gives a parameter its name in the API.
func given(name, to string) change {
	return func(_ context.Context, _ *call, params value.Value) (value.Value, error) {
		return replaced(params, name, to, params.Get(name)), nil
	}
}

// listed puts a parameter alone into a list.
func listed(name, to string) change {
	return func(_ context.Context, _ *call, params value.Value) (value.Value, error) {
		v := params.Get(name)
		if !v.IsAbsent() {
			v = value.NewArray([]value.Value{v})
		}
		return replaced(params, name, to, v), nil
	}
}

func both(a, b change) change {
	return func(ctx context.Context, c *call, params value.Value) (value.Value, error) {
		params, err := a(ctx, c, params)
		if err != nil {
			return params, err
		}
		return b(ctx, c, params)
	}
}

// renamed gives a member of the result its name in the integration.
func renamed(name, to string) func(integration.Task, value.Value) (value.Value, error) {
	return func(_ integration.Task, out value.Value) (value.Value, error) {
		return replaced(out, name, to, out.Get(name)), nil
	}
}

// single is the result with the only item of a list in the list's place.
func single(name, to string) func(integration.Task, value.Value) (value.Value, error) {
	return func(_ integration.Task, out value.Value) (value.Value, error) {
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
