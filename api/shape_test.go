package api_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"

	"github.com/backstep/backstep/api"
)

// awsShapes are the input and the output of an operation of AWS as the SDK has them.
func awsShapes(t *testing.T, operation string) (in, out reflect.Type) {
	t.Helper()
	m, ok := reflect.TypeFor[*sfn.Client]().MethodByName(operation)
	if !ok {
		t.Fatalf("the SDK knows no operation %s", operation)
	}
	return m.Type.In(2).Elem(), m.Type.Out(0).Elem()
}

// TestShapesAreThoseOfAWS walks our types and the SDK's side by side: each member of either is in the other, with the same name, type and
// nesting, and it is optional in ours exactly where the SDK does not call it required.
func TestShapesAreThoseOfAWS(t *testing.T) {
	for _, name := range api.AWSOperations {
		in, out := awsShapes(t, name)
		i := slices.IndexFunc(api.Operations, func(o api.Operation) bool { return o.Target == api.TargetAWS+name })
		if i < 0 {
			t.Errorf("%s is not offered", name)
			continue
		}
		compareStructs(t, name+"Input", api.Operations[i].Input, in)
		compareStructs(t, name+"Output", api.Operations[i].Output, out)
	}
}

func compareStructs(t *testing.T, path string, ours, theirs reflect.Type) {
	t.Helper()
	left := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(ours) {
		left[f.Name] = f
	}
	for _, f := range reflect.VisibleFields(theirs) {
		if !f.IsExported() || f.Name == "ResultMetadata" || len(f.Index) > 1 {
			continue
		}
		mine, ok := left[f.Name]
		delete(left, f.Name)
		if !ok {
			t.Errorf("%s.%s is missing", path, f.Name)
			continue
		}
		name, _, _ := strings.Cut(mine.Tag.Get("json"), ",")
		if want := strings.ToLower(f.Name[:1]) + f.Name[1:]; name != want {
			t.Errorf("%s.%s is called %q in JSON, want %q", path, f.Name, name, want)
		}
		compareTypes(t, path+"."+f.Name, mine.Type, f.Type)
	}
	for name := range left {
		if !slices.Contains(ourMembers, path+"."+name) {
			t.Errorf("%s.%s is not in the SDK", path, name)
		}
	}
}

// What stands in shapes of AWS's and is our own: clients that don't know it pass over it.
var (
	ourMembers = []string{"GetExecutionHistoryOutput.Events[].SagaEventDetails"}
	ourEvents  = []string{"SagaAborting", "SagaHeld", "SagaResolved", "SagaEnded", "LateTaskResult"}
)

// compareTypes allows for the SDK's habit to have pointers for required scalars, too.
func compareTypes(t *testing.T, path string, ours, theirs reflect.Type) {
	t.Helper()
	if ours.Kind() == reflect.Pointer && theirs.Kind() != reflect.Pointer {
		t.Errorf("%s is a pointer, the SDK has %v", path, theirs)
		return
	}
	ours, theirs = pointee(ours), pointee(theirs)
	switch {
	case theirs == reflect.TypeFor[time.Time]():
		if ours != reflect.TypeFor[api.Timestamp]() {
			t.Errorf("%s is %v, want a Timestamp", path, ours)
		}
	case ours.Kind() != theirs.Kind():
		t.Errorf("%s is %v, the SDK has %v", path, ours, theirs)
	case ours.Kind() == reflect.Struct:
		compareStructs(t, path, ours, theirs)
	case ours.Kind() == reflect.Slice:
		compareTypes(t, path+"[]", ours.Elem(), theirs.Elem())
	case ours.Kind() == reflect.Map:
		compareTypes(t, path+"{}", ours.Elem(), theirs.Elem())
	case theirs.Name() != "string" && ours.Kind() == reflect.String:
		compareEnums(t, path, ours, theirs)
	}
}

func pointee(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

func compareEnums(t *testing.T, path string, ours, theirs reflect.Type) {
	t.Helper()
	if ours.Name() != theirs.Name() {
		t.Errorf("%s is %v, the SDK has %v", path, ours, theirs)
		return
	}
	mine := reflect.Zero(ours).Interface().(interface{ Values() []string }).Values()
	mine = slices.DeleteFunc(mine, func(v string) bool { return slices.Contains(ourEvents, v) })
	values := reflect.Zero(theirs).MethodByName("Values").Call(nil)[0]
	want := make([]string, values.Len())
	for i := range want {
		want[i] = values.Index(i).String()
	}
	if !slices.Equal(mine, want) {
		t.Errorf("%s lists %q, the SDK %q", path, mine, want)
	}
}

// TestRequiredMembersAreThoseOfAWS asks the SDK, which refuses an input before it sends it, for what it misses in an empty one.
func TestRequiredMembersAreThoseOfAWS(t *testing.T) {
	client := reflect.ValueOf(sfn.New(sfn.Options{Region: "us-east-1", HTTPClient: unreachable{}, Retryer: aws.NopRetryer{}}))
	for _, o := range api.Operations {
		var ours, theirs []string
		for _, f := range reflect.VisibleFields(o.Input) {
			required := slices.Contains(strings.Split(f.Tag.Get("check"), ","), "required")
			if optional := strings.Contains(f.Tag.Get("json"), ",omitzero"); required == optional {
				t.Errorf("%sInput.%s: required by its check %v, optional in its JSON %v", o.Name, f.Name, required, optional)
			}
			if required {
				ours = append(ours, f.Name)
			}
		}
		if !strings.HasPrefix(o.Target, api.TargetAWS) {
			continue
		}
		shape, _ := awsShapes(t, o.Name)
		empty := reflect.New(shape)
		answers := client.MethodByName(o.Name).Call([]reflect.Value{reflect.ValueOf(context.Background()), empty})
		var missing smithy.InvalidParamsError
		if errors.As(answers[1].Interface().(error), &missing) {
			for _, e := range missing.Errs() {
				_, name, _ := strings.Cut(e.(smithy.InvalidParamError).Field(), ".")
				theirs = append(theirs, name)
			}
		}
		slices.Sort(ours)
		slices.Sort(theirs)
		if !slices.Equal(ours, theirs) {
			t.Errorf("%s requires %q, the SDK %q", o.Name, ours, theirs)
		}
	}
}

// unreachable is a way to no server.
type unreachable struct{}

func (unreachable) Do(*http.Request) (*http.Response, error) { return nil, errors.New("unreachable") }

func TestHistoryEventTypes(t *testing.T) {
	all := api.HistoryEventType("").Values()
	if n := len(all) - len(ourEvents); n != 62 || !slices.Equal(all[62:], ourEvents) {
		t.Errorf("%d types of events are AWS's, want 62, and then ours", n)
	}
	if n := len(types.HistoryEventType("").Values()); n != 62 {
		t.Errorf("the SDK has %d types of events", n)
	}
}
