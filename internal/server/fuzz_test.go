package server

import (
	"errors"
	"reflect"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/fuzz"
)

// FuzzRequest decodes any body as the input of each operation: it is refused
// with an error of the API's, or is an input that means the same once it is
// written and read again.
func FuzzRequest(f *testing.F) {
	const arn = "arn:aws:states:us-east-1:123456789012:stateMachine:a"
	for i := range api.Operations {
		f.Add(i, []byte(`{}`))
		f.Add(i, []byte(`{"name":"a","roleArn":"arn:aws:iam::123456789012:role/r","definition":"{}","tags":[{"key":"k","value":"v"}],"publish":true}`))
		f.Add(i, []byte(`{"stateMachineArn":"`+arn+`","executionArn":"`+arn+`","activityArn":"`+arn+`","mapRunArn":"`+arn+`","resourceArn":"`+arn+`","tagKeys":["a"]}`))
		f.Add(i, []byte(`{"stateMachineAliasArn":"`+arn+`:a","stateMachineVersionArn":"`+arn+`:1","maxResults":3,"nextToken":"x","statusFilter":"RUNNING","reverseOrder":true}`))
		f.Add(i, []byte(`{"taskToken":"t","output":"{}","error":"E","cause":"c","input":"{}","maxConcurrency":1,"toleratedFailurePercentage":2.5,`+
			`"loggingConfiguration":{"level":"ALL","destinations":[{"cloudWatchLogsLogGroup":{"logGroupArn":"a"}}]},`+
			`"routingConfiguration":[{"stateMachineVersionArn":"`+arn+`:1","weight":100}],"mock":{"result":"{}"}}`))
		f.Add(i, []byte(`{"name":1,"name":null,"definition":["\ud800"]}`))
	}
	routes := newRoutes(0)
	f.Fuzz(func(t *testing.T, operation int, body []byte) {
		if len(body) > maxBody {
			t.Skip()
		}
		rt := routes[api.Operations[uint(operation)%uint(len(api.Operations))].Target]
		fuzz.Bounded(t, func() { tryRequest(t, rt, body) })
	})
}

func tryRequest(t *testing.T, rt *route, body []byte) {
	in, err := decode(rt, body)
	var refusal *api.Error
	switch {
	case err != nil && !errors.As(err, &refusal):
		t.Errorf("%s: no error of the API's: %v", rt.Name, err)
	case err != nil && (refusal.Code == "" || refusal.Message == "" || refusal.HTTPStatus() != 400):
		t.Errorf("%s: %+v with status %d", rt.Name, refusal, refusal.HTTPStatus())
	case err != nil:
		return
	}
	written, err := json.Marshal(in)
	if err != nil {
		t.Fatalf("%s: %v", rt.Name, err)
	}
	again, err := decode(rt, written)
	if err != nil || !reflect.DeepEqual(in, again) {
		t.Errorf("%s: %s is read as %+v, then as %+v: %v", rt.Name, written, in, again, err)
	}
}
