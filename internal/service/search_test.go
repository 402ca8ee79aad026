package service_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/service"
)

// findable is a machine whose executions are found by their order, their
// customer, and where they stand; its task fails as the input asks.
const findable = `{"QueryLanguage":"JSONata","SearchAttributes":{"order_id":"{% $states.input.order.id %}","customer":"{% $states.input.customer %}","stage":"{% $stage %}","vip":"{% $states.input.vip %}"},
	"StartAt":"T","States":{
	"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Arguments":{"FunctionName":"f","Payload":"{% $states.input %}"},"Assign":{"stage":"paid"},"Next":"S"},
	"S":{"Type":"Succeed","Output":{"customer":"{% $states.context.Execution.Input.gone ? null : 'kept' %}"}}}}`

// where asks for all pages of what a where finds, and gives the names.
func where(t *testing.T, svc api.Service, in api.ListExecutionsWhereInput) (names []string) {
	t.Helper()
	for range 1000 {
		page, err := svc.ListExecutionsWhere(t.Context(), &in)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range page.Executions {
			names = append(names, x.Name)
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			return names
		}
	}
	t.Fatal("the pages do not end")
	return nil
}

// searches is the part of the suite that is about search attributes.
func searches(t *testing.T, h *house, svc api.Service) {
	for what, test := range map[string]func(*testing.T, *house, api.Service){
		"list": searchLists, "pages": searchPages, "shown": searchShown, "refused": badSearches,
	} {
		t.Run(what, func(t *testing.T) { test(t, h, svc) })
	}
}

func searchLists(t *testing.T, h *house, svc api.Service) {
	machine, other := create(t, svc, name(t, "M"), findable), create(t, svc, name(t, "N"), findable)
	id := name(t, "order")
	for i := range 7 {
		failed := ""
		if i%2 == 1 {
			failed = `,"fail":"No"`
		}
		of := machine
		if i == 6 {
			of = other
		}
		input := fmt.Sprintf(`{"order":{"id":%q},"customer":"c%d","vip":%v,"n":%d%s}`, id, i%3, i < 3, i, failed)
		await(t, svc, start(t, svc, of, fmt.Sprintf("x%d", i), input))
		time.Sleep(2 * time.Millisecond) // starts of one millisecond are in no order
	}
	this := fmt.Sprintf("order_id = %q", id)
	for _, c := range []struct {
		in   api.ListExecutionsWhereInput
		want string
	}{
		{api.ListExecutionsWhereInput{Where: this}, "x6 x5 x4 x3 x2 x1 x0"},
		{api.ListExecutionsWhereInput{Where: this, MaxResults: 2}, "x6 x5 x4 x3 x2 x1 x0"},
		{api.ListExecutionsWhereInput{Where: this, MaxResults: 7}, "x6 x5 x4 x3 x2 x1 x0"},
		{api.ListExecutionsWhereInput{Where: this, StateMachineArn: &machine, MaxResults: 4}, "x5 x4 x3 x2 x1 x0"},
		{api.ListExecutionsWhereInput{Where: this, StateMachineArn: &other}, "x6"},
		{api.ListExecutionsWhereInput{Where: this, StatusFilter: api.ExecutionStatusFailed, MaxResults: 1}, "x5 x3 x1"},
		{api.ListExecutionsWhereInput{Where: this, StatusFilter: api.ExecutionStatusSucceeded, StateMachineArn: &machine}, "x4 x2 x0"},
		{api.ListExecutionsWhereInput{Where: this, StatusFilter: api.ExecutionStatusRunning}, ""},
		{api.ListExecutionsWhereInput{Where: this + ` and vip = true`}, "x2 x1 x0"},
		{api.ListExecutionsWhereInput{Where: `vip = "true" and ` + this, MaxResults: 1}, "x2 x1 x0"},
		{api.ListExecutionsWhereInput{Where: this + ` and customer = "c1"`}, "x1"}, // the others have gone on
		{api.ListExecutionsWhereInput{Where: this + ` and customer = "kept" and stage = "paid"`}, "x6 x4 x2 x0"},
		{api.ListExecutionsWhereInput{Where: this + ` and order_id = "another"`}, ""},
		{api.ListExecutionsWhereInput{Where: this + ` and nobody = "has it"`}, ""},
	} {
		if got := strings.Join(where(t, svc, c.in), " "); got != c.want {
			t.Errorf("%+v: %q, want %q", c.in, got, c.want)
		}
	}
	one, err := svc.ListExecutionsWhere(t.Context(), &api.ListExecutionsWhereInput{Where: this, StateMachineArn: &other})
	if err != nil || one.NextToken != nil || one.Executions[0].StateMachineArn != other || one.Executions[0].StopDate == nil || one.Executions[0].Status != api.ExecutionStatusSucceeded ||
		one.Executions[0].ExecutionArn != strings.Replace(other, "stateMachine", "execution", 1)+":x6" {
		t.Errorf("the other machine's: %+v, %v", one, err)
	}
}

// searchPages: what begins while somebody turns the pages changes none that are
// still to come.
func searchPages(t *testing.T, h *house, svc api.Service) {
	machine, id := create(t, svc, name(t, "M"), findable), name(t, "order")
	begin := func(i int) {
		await(t, svc, start(t, svc, machine, fmt.Sprintf("x%d", i), fmt.Sprintf(`{"order":{"id":%q}}`, id)))
		time.Sleep(2 * time.Millisecond)
	}
	for i := range 5 {
		begin(i)
	}
	in := api.ListExecutionsWhereInput{Where: fmt.Sprintf("order_id = %q", id), MaxResults: 2}
	page, err := svc.ListExecutionsWhere(t.Context(), &in)
	if err != nil || len(page.Executions) != 2 || page.NextToken == nil {
		t.Fatalf("the first page: %+v, %v", page, err)
	}
	begin(5)
	in.NextToken = page.NextToken
	if got := where(t, svc, in); strings.Join(got, " ") != "x2 x1 x0" {
		t.Errorf("the pages after it: %v", got)
	}
	for _, foreign := range []api.ListExecutionsWhereInput{
		{Where: in.Where + " and vip = true"}, {Where: in.Where, StateMachineArn: &machine}, {Where: in.Where, StatusFilter: api.ExecutionStatusFailed},
	} {
		foreign.NextToken = page.NextToken
		_, err := svc.ListExecutionsWhere(t.Context(), &foreign)
		refused(t, err, api.CodeInvalidToken, "Invalid token")
	}
	same := in
	same.Where = strings.Replace(in.Where, " = ", "=", 1) // it asks the same
	if got := where(t, svc, same); strings.Join(got, " ") != "x2 x1 x0" {
		t.Errorf("the pages after it, spelled otherwise: %v", got)
	}
}

func badSearches(t *testing.T, h *house, svc api.Service) {
	_, err := svc.ListExecutionsWhere(t.Context(), &api.ListExecutionsWhereInput{Where: `order_id = `})
	refused(t, err, api.CodeValidation, "where, character 12: a value should stand here")
	nothing := "arn:aws:states:us-east-1:123456789012:stateMachine:Nothing"
	_, err = svc.ListExecutionsWhere(t.Context(), &api.ListExecutionsWhereInput{Where: `a = 1`, StateMachineArn: &nothing})
	refused(t, err, api.CodeStateMachineDoesNotExist, nothing)
	_, err = svc.ListExecutionsWhere(t.Context(), &api.ListExecutionsWhereInput{Where: `a = 1`, StatusFilter: api.ExecutionStatusPendingRedrive})
	refused(t, err, api.CodeValidation, "map run alone")
	_, err = svc.ListExecutionsWhere(t.Context(), &api.ListExecutionsWhereInput{Where: `a = 1`, NextToken: ptr("x")})
	refused(t, err, api.CodeInvalidToken, "Invalid token")
	_, err = svc.CreateStateMachine(t.Context(), &api.CreateStateMachineInput{Name: name(t, "M"), Definition: strings.Replace(findable, `"vip"`, `"v i p"`, 1), RoleArn: role})
	refused(t, err, api.CodeInvalidDefinition, "'v i p' is no name of a search attribute")
	_, err = svc.CreateStateMachine(t.Context(), &api.CreateStateMachineInput{Name: name(t, "M"), Definition: findable, RoleArn: role, Type: api.StateMachineTypeExpress})
	refused(t, err, api.CodeInvalidDefinition, "An EXPRESS state machine has no SearchAttributes")
}

// searchShown: WaitExecution tells what an execution is found by, as it changes.
func searchShown(t *testing.T, h *house, svc api.Service) {
	machine := create(t, svc, name(t, "M"), strings.Replace(findable, "lambda:invoke", "lambda:invoke.waitForTaskToken", 1))
	x := start(t, svc, machine, "x", `{"order":{"id":1001},"customer":"Ann","gone":true}`)
	shown := func(want map[string]string) {
		t.Helper()
		now, err := svc.WaitExecution(t.Context(), &api.WaitExecutionInput{ExecutionArn: x, TimeoutSeconds: ptr(int32(0))})
		if err != nil || !maps.Equal(now.SearchAttributes, want) {
			t.Errorf("found by %v, %v, want %v", now, err, want)
		}
	}
	shown(map[string]string{"order_id": "1001", "customer": "Ann"})
	if _, err := svc.SendTaskSuccess(t.Context(), &api.SendTaskSuccessInput{TaskToken: <-h.tokens, Output: `{}`}); err != nil {
		t.Fatal(err)
	}
	await(t, svc, x)
	shown(map[string]string{"order_id": "1001", "stage": "paid"}) // null takes the customer away
	if plain := await(t, svc, start(t, svc, create(t, svc, name(t, "P"), passing), "x", `{}`)); plain.SearchAttributes != nil {
		t.Errorf("a machine without search attributes: %v", plain.SearchAttributes)
	}
}

// A server that is AWS and nothing more refuses what AWS's language does not have.
func TestStrictlyAWSRefusesSearchAttributes(t *testing.T) {
	h := newHouse(t)
	c := h.service.Config
	registry := new(integration.Registry)
	registry.Add("lambda", "*", h, integration.RequestResponse)
	c.Catalog = service.NewCatalog(h.store, registry)
	c.Catalog.StrictAWS = true
	strict := service.New(c)
	_, err := strict.CreateStateMachine(t.Context(), &api.CreateStateMachineInput{Name: "M", Definition: findable, RoleArn: role})
	refused(t, err, api.CodeInvalidDefinition, "SCHEMA_VALIDATION_FAILED: Field 'SearchAttributes' is not supported at /")
	create(t, h.service, "M", findable)
}

// Executions of a deleted machine are found until they are taken away, and then
// by nothing any more.
func TestRetentionTakesSearchAttributes(t *testing.T) {
	h := newHouse(t)
	machine := create(t, h.service, "M", findable)
	await(t, h.service, start(t, h.service, machine, "x", `{"order":{"id":"1001"},"customer":"Ann"}`))
	find := func(by ...string) (found []string) {
		for _, w := range by {
			found = append(found, where(t, h.service, api.ListExecutionsWhereInput{Where: w})...)
		}
		return found
	}
	all := []string{`order_id = "1001"`, `customer = "kept"`, `stage = "paid"`, `order_id = "1001" and stage = "paid"`}
	if _, err := h.service.DeleteStateMachine(t.Context(), &api.DeleteStateMachineInput{StateMachineArn: machine}); err != nil {
		t.Fatal(err)
	}
	if got := find(all...); !slices.Equal(got, []string{"x", "x", "x", "x"}) {
		t.Errorf("found: %v", got)
	}
	o := grow(t, h, 25)
	until(t, "a round", func() bool { return o.rounds.Load() > 0 })
	if got := find(append(all, `customer = "Ann"`)...); len(got) != 0 {
		t.Errorf("still found: %v", got)
	}
}
