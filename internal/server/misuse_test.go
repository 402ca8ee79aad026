package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/server"
)

func TestMisuse(t *testing.T) {
	_, url := open(t, server.Config{Service: newFake()})
	start := "AWSStepFunctions.StartExecution"
	good := `{"stateMachineArn":"m"}`
	for _, c := range []struct {
		name, target, body string
		change             func(*http.Request)
		status             int
		answer             string // part of the body
	}{
		{name: "well", target: start, body: good, status: 200, answer: `"executionArn":"m"`},
		{name: "charset in the content type", target: start, body: good, change: set("Content-Type", "Application/X-AMZ-JSON-1.0; charset=utf-8"), status: 200},

		{name: "GET", change: func(r *http.Request) { r.Method = http.MethodGet }, status: 404, answer: "UnknownOperationException"},
		{name: "PUT", change: func(r *http.Request) { r.Method = http.MethodPut }, target: start, body: good, status: 404, answer: "UnknownOperationException"},
		{name: "other path", change: func(r *http.Request) { r.URL.Path = "/x" }, target: start, body: good, status: 404, answer: "UnknownOperationException"},
		{name: "double slash", change: func(r *http.Request) { r.URL.Path = "//" }, target: start, body: good, status: 404, answer: "UnknownOperationException"},
		{name: "dots", change: func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/../", "/%2e%2e/" }, target: start, body: good, status: 404, answer: "UnknownOperationException"},

		{name: "no target", body: good, change: func(r *http.Request) { r.Header.Del("X-Amz-Target") }, status: 400, answer: "UnknownOperationException"},
		{name: "two targets", target: start, body: good, change: func(r *http.Request) { r.Header.Add("X-Amz-Target", start) }, status: 400, answer: "UnknownOperationException"},
		{name: "empty operation", target: "AWSStepFunctions.", body: good, status: 400, answer: "UnknownOperationException"},
		{name: "dots in the operation", target: "AWSStepFunctions.../Start", body: good, status: 400, answer: "UnknownOperationException"},
		{name: "lower case", target: "AWSStepFunctions.startExecution", body: good, status: 400, answer: "UnknownOperationException"},
		{name: "no prefix", target: "StartExecution", body: good, status: 400, answer: "UnknownOperationException"},
		{name: "our prefix for AWS's operation", target: "Backstep.StartExecution", body: good, status: 400, answer: "UnknownOperationException"},
		{name: "AWS's prefix for ours", target: "AWSStepFunctions.WaitExecution", body: good, status: 400, answer: "unknown"},
		{name: "10 KiB of target", target: strings.Repeat("x", 10<<10), body: good, status: 400, answer: "UnknownOperationException"},

		{name: "no content type", target: start, body: good, change: set("Content-Type", ""), status: 400, answer: "application/x-amz-json-1.0"},
		{name: "a form's content type", target: start, body: good, change: set("Content-Type", "text/plain"), status: 400, answer: "application/x-amz-json-1.0"},

		{name: "no body", target: start, body: "", status: 400, answer: "SerializationException"},
		{name: "cut off", target: start, body: `{"stateMachineArn":`, status: 400, answer: "SerializationException"},
		{name: "not an object", target: start, body: `["m"]`, status: 400, answer: "START_ARRAY can not be converted to an object"},
		{name: "trailing garbage", target: start, body: good + "x", status: 400, answer: "SerializationException"},
		{name: "two objects", target: start, body: good + good, status: 400, answer: "SerializationException"},
		{name: "byte order mark", target: start, body: "\ufeff" + good, status: 400, answer: "SerializationException"},
		{name: "comment", target: start, body: `{/**/"stateMachineArn":"m"}`, status: 400, answer: "SerializationException"},
		{name: "invalid UTF-8", target: start, body: "{\"stateMachineArn\":\"\xff\"}", status: 400, answer: "SerializationException"},
		{name: "lone surrogate", target: start, body: `{"stateMachineArn":"\ud800"}`, status: 400, answer: "SerializationException"},
		{name: "NaN", target: "AWSStepFunctions.ListExecutions", body: `{"maxResults":NaN}`, status: 400, answer: "SerializationException"},
		{name: "name twice", target: start, body: `{"stateMachineArn":"m","stateMachineArn":"n"}`, status: 400, answer: `more than once`},
		{name: "unknown name twice", target: start, body: `{"stateMachineArn":"m","x":1,"x":2}`, status: 400, answer: `more than once`},
		{name: "other case is another name", target: start, body: `{"StateMachineArn":"m"}`, status: 400, answer: "Value null at 'stateMachineArn'"},
		{name: "other case beside the right one", target: start, body: `{"stateMachineARN":"x","stateMachineArn":"m"}`, status: 200, answer: `"executionArn":"m"`},
		{name: "number for a text", target: start, body: `{"stateMachineArn":1}`, status: 400, answer: "NUMBER_VALUE can not be converted to a text, at \\\"/stateMachineArn\\\""},
		{name: "object for a text", target: start, body: `{"stateMachineArn":{}}`, status: 400, answer: "START_OBJECT can not be converted to a text"},
		{name: "text for a number", target: "AWSStepFunctions.ListExecutions", body: `{"maxResults":"1"}`, status: 400, answer: "STRING_VALUE can not be converted to a whole number"},
		{name: "fraction for a number", target: "AWSStepFunctions.ListExecutions", body: `{"maxResults":1.5}`, status: 400, answer: "SerializationException"},
		{name: "number out of range", target: "AWSStepFunctions.ListExecutions", body: `{"maxResults":99999999999}`, status: 400, answer: "SerializationException"},
		{name: "text for a list", target: "AWSStepFunctions.TagResource", body: `{"resourceArn":"a","tags":"x"}`, status: 400, answer: "STRING_VALUE can not be converted to a list"},
		{name: "deep nesting", target: start, body: strings.Repeat(`[`, 100_000), status: 400, answer: "SerializationException"},
		{name: "huge body", target: start, body: fmt.Sprintf(`{"stateMachineArn":"m","input":"%s"}`, strings.Repeat("x", 2<<20)), status: 413, answer: "RequestEntityTooLargeException"},
		{name: "huge body of unknown length", target: start, body: fmt.Sprintf(`{"stateMachineArn":"m","input":"%s"}`, strings.Repeat("x", 2<<20)),
			change: func(r *http.Request) { r.ContentLength = -1 }, status: 413, answer: "RequestEntityTooLargeException"},
		{name: "escapes don't count against a definition", target: "AWSStepFunctions.CreateStateMachine",
			body: fmt.Sprintf(`{"name":"n","roleArn":"r","definition":"%s"}`, strings.Repeat(`\n`, 1_000_000)), status: 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newCall(url, c.target, c.body)
			if c.change != nil {
				c.change(r)
			}
			status, header, body := send(t, r)
			if status != c.status || !strings.Contains(body, c.answer) {
				t.Errorf("answer %d %.300s\nwant %d with %q", status, body, c.status, c.answer)
			}
			if status != 200 && header.Get("x-amzn-ErrorType") == "" {
				t.Error("no x-amzn-ErrorType")
			}
		})
	}
}

func TestConstraints(t *testing.T) {
	_, url := open(t, server.Config{Service: newFake()})
	long := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct{ name, operation, body, want string }{
		{"too many results", "ListExecutions", `{"maxResults":1001}`,
			"1 validation error detected: Value '1001' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 1000"},
		{"fewer than no results", "ListExecutions", `{"maxResults":-1}`,
			"1 validation error detected: Value '-1' at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 0"},
		{"long page token", "ListExecutions", `{"nextToken":"` + long(3097) + `"}`,
			"1 validation error detected: Value '" + long(3097) + "' at 'nextToken' failed to satisfy constraint: Member must have length less than or equal to 3096"},
		{"long page token of a history", "GetExecutionHistory", `{"executionArn":"a","nextToken":"` + long(1025) + `"}`,
			"1 validation error detected: Value '" + long(1025) + "' at 'nextToken' failed to satisfy constraint: Member must have length less than or equal to 1024"},
		{"no name", "StartExecution", `{}`,
			"1 validation error detected: Value null at 'stateMachineArn' failed to satisfy constraint: Member must not be null"},
		{"null", "StartExecution", `{"stateMachineArn":null}`,
			"1 validation error detected: Value null at 'stateMachineArn' failed to satisfy constraint: Member must not be null"},
		{"empty", "StartExecution", `{"stateMachineArn":""}`,
			"1 validation error detected: Value '' at 'stateMachineArn' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"two findings", "StartExecution", `{"name":"","traceHeader":"é"}`,
			"3 validation errors detected: Value null at 'stateMachineArn' failed to satisfy constraint: Member must not be null; " +
				"Value '' at 'name' failed to satisfy constraint: Member must have length greater than or equal to 1; " +
				`Value 'é' at 'traceHeader' failed to satisfy constraint: Member must satisfy regular expression pattern: \\p{ASCII}*`},
		{"secrets are not repeated", "StartExecution", `{"stateMachineArn":"m","input":"` + long(262145) + `"}`,
			"1 validation error detected: Value at 'input' failed to satisfy constraint: Member must have length less than or equal to 262144"},
		{"length counts characters", "StartExecution", `{"stateMachineArn":"` + strings.Repeat("é", 257) + `"}`, "Member must have length less than or equal to 256"},
		{"as many characters as may be", "StartExecution", `{"stateMachineArn":"` + strings.Repeat("é", 256) + `"}`, `"executionArn"`},
		{"values are cut", "StartExecution", `{"stateMachineArn":"` + long(9000) + `"}`, long(4096) + "…' at 'stateMachineArn'"},
		{"unknown enumeration", "CreateStateMachine", `{"name":"n","definition":"{}","roleArn":"r","type":"FAST"}`,
			"1 validation error detected: Value 'FAST' at 'type' failed to satisfy constraint: Member must satisfy enum value set: [STANDARD, EXPRESS]"},
		{"nested, missing", "CreateStateMachine", `{"name":"n","definition":"{}","roleArn":"r","encryptionConfiguration":{}}`,
			"1 validation error detected: Value null at 'encryptionConfiguration.type' failed to satisfy constraint: Member must not be null"},
		{"nested, out of range", "CreateStateMachine", `{"name":"n","definition":"{}","roleArn":"r","encryptionConfiguration":{"type":"AWS_OWNED_KEY","kmsDataKeyReusePeriodSeconds":59}}`,
			"Value '59' at 'encryptionConfiguration.kmsDataKeyReusePeriodSeconds' failed to satisfy constraint: Member must have value greater than or equal to 60"},
		{"in a list of structures", "TagResource", `{"resourceArn":"a","tags":[{"key":"k"},{"key":""}]}`,
			"Value '' at 'tags.2.member.key' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"in a list of texts", "UntagResource", `{"resourceArn":"a","tagKeys":["k",""]}`,
			"Value '' at 'tagKeys.2.member' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"list missing", "UntagResource", `{"resourceArn":"a","tagKeys":null}`,
			"Value null at 'tagKeys' failed to satisfy constraint: Member must not be null"},
		{"empty list", "UntagResource", `{"resourceArn":"a","tagKeys":[]}`, `{}`},
		{"long list", "CreateStateMachineAlias", `{"name":"a","routingConfiguration":[{"stateMachineVersionArn":"m:1","weight":50},{"stateMachineVersionArn":"m:2","weight":30},{"stateMachineVersionArn":"m:3","weight":20}]}`,
			"1 validation error detected: Value '[RoutingConfigurationListItem(stateMachineVersionArn=m:1, weight=50), RoutingConfigurationListItem(stateMachineVersionArn=m:2, weight=30), " +
				"RoutingConfigurationListItem(stateMachineVersionArn=m:3, weight=20)]' at 'routingConfiguration' failed to satisfy constraint: Member must have length less than or equal to 2"},
		{"short list", "CreateStateMachineAlias", `{"name":"a","routingConfiguration":[]}`,
			"1 validation error detected: Value '[]' at 'routingConfiguration' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"short optional list", "UpdateStateMachineAlias", `{"stateMachineAliasArn":"a","routingConfiguration":[]}`, "Member must have length greater than or equal to 1"},
		{"no list", "UpdateStateMachineAlias", `{"stateMachineAliasArn":"a"}`, `"updateDate"`},
		{"number in a list", "CreateStateMachineAlias", `{"name":"a","routingConfiguration":[{"stateMachineVersionArn":"m:1","weight":101}]}`,
			"1 validation error detected: Value '101' at 'routingConfiguration.1.member.weight' failed to satisfy constraint: Member must have value less than or equal to 100"},
		{"no number in a list", "CreateStateMachineAlias", `{"name":"a","routingConfiguration":[{"stateMachineVersionArn":"m:1"}]}`,
			"1 validation error detected: Value null at 'routingConfiguration.1.member.weight' failed to satisfy constraint: Member must not be null"},
		{"zero in a list", "CreateStateMachineAlias", `{"name":"a","routingConfiguration":[{"stateMachineVersionArn":"m:1","weight":0}]}`, `"stateMachineAliasArn"`},
		{"alias of digits", "CreateStateMachineAlias", `{"name":"12","routingConfiguration":[{"stateMachineVersionArn":"m:1","weight":100}]}`,
			`1 validation error detected: Value '12' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: ^(?=.*[a-zA-Z_\\-\\.])[a-zA-Z0-9_\\-\\.]+$`},
		{"required and empty", "SendTaskSuccess", `{"taskToken":"t","output":""}`, `{}`},
		{"required and missing", "SendTaskSuccess", `{"taskToken":"t"}`, "Value null at 'output'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, _, body := send(t, newCall(url, "AWSStepFunctions."+c.operation, c.body))
			if !strings.Contains(body, c.want) {
				t.Errorf("answer %d %.600s\nwant %.600s", status, body, c.want)
			}
			if refused := strings.Contains(body, `"__type":"ValidationException"`); refused != (status == 400) {
				t.Errorf("answer %d %.300s", status, body)
			}
		})
	}
}
