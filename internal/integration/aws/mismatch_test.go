package aws

import (
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// TestMismatch holds results against what AWS answers: the words are the
// service's.
func TestMismatch(t *testing.T) {
	h := New(Config{})
	defer h.Close()
	const answer, sync, sync2, token = integration.RequestResponse, integration.Sync, integration.Sync2, integration.WaitForTaskToken
	for _, c := range []struct {
		service, action string
		pattern         integration.Pattern
		result, want    string // want: what is wrong where nothing may be missing
	}{
		{"events", "putEvents", answer, `{}`, ``},
		{"events", "putEvents", answer, `{"random": "json"}`, ``},
		{"events", "putEvents", answer, `{"Entries": "no list"}`, `Field 'Entries' must be an array`},
		{"events", "putEvents", answer, `{"Entries": [{"EventId": ["x"]}]}`, `Field 'EventId' must be a string`},
		{"events", "putEvents", token, `{"Entries": 7}`, ``},
		{"lambda", "invoke", answer, `{"StatusCode": 200, "Payload": {"any": "thing"}}`, ``},
		{"lambda", "invoke", answer, `{"StatusCode": "200"}`, `Field 'StatusCode' must be a number`},
		{"aws-sdk:lambda", "invoke", answer, `{"Payload": {}}`, `Field 'Payload' must be a string`},
		{"aws-sdk:lambda", "getFunction", answer, `{"Configuration": {"MemorySize": 127}}`, `Field 'MemorySize' is less than the minimum value`},
		{"aws-sdk:lambda", "getFunction", answer, `{"Configuration": {"MemorySize": 10241}}`, `Field 'MemorySize' exceeds the maximum value`},
		{"aws-sdk:lambda", "getFunction", answer, `{"Configuration": 7}`, `Field 'Configuration' must be an object`},
		{"aws-sdk:lambda", "getFunction", answer, `{"Tags": {"a": 1}}`, `Field 'Tags' must be a string`},
		{"aws-sdk:lambda", "noSuchAction", answer, `{"Tags": 1}`, ``},
		{"aws-sdk:nobody", "doThat", answer, `7`, ``},
		{"aws-sdk:kms", "encrypt", answer, `{"CiphertextBlob": ""}`, `Field 'CiphertextBlob' is smaller than the minimum length`},
		{"aws-sdk:kms", "encrypt", answer, `{"CiphertextBlob": "` + strings.Repeat("x", 6145) + `"}`, `Field 'CiphertextBlob' exceeds the maximum length`},
		{"aws-sdk:kms", "encrypt", answer, `{"CiphertextBlob": 123}`, `Field 'CiphertextBlob' must be a string`},
		{"aws-sdk:s3", "getObject", answer, `{"StorageClass": "Papyrus"}`, `Field 'StorageClass' is not an expected value`},
		{"aws-sdk:s3", "getObject", answer, `{"ContentLength": "9000"}`, `Field 'ContentLength' must be a number`},
		{"dynamodb", "putItem", answer, `{"ConsumedCapacity": {"CapacityUnits": "123.45"}}`, `Field 'CapacityUnits' must be a number`},
		{"dynamodb", "getItem", answer, `{"Item": {"a": {"BOOL": "true"}}}`, `Field 'BOOL' must be a boolean`},
		{"dynamodb", "getItem", answer, `{"Item": {"a": {"L": [{"M": {"b": {"N": 1}}}]}}}`, `Field 'N' must be a string`},
		{"states", "startExecution", answer, `{}`, `Required field 'ExecutionArn' is missing`},
		{"states", "startExecution", answer, `{"executionArn": "a", "startDate": "b"}`, `Required field 'ExecutionArn' is missing`},
		{"states", "startExecution", answer, `{"ExecutionArn": "a", "StartDate": true}`, `Field 'StartDate' must be a string`},
		{"states", "startExecution", sync, `{"ExecutionArn": "a", "StateMachineArn": "b", "Status": "SUCCEEDED", "StartDate": "c", "Output": "{}"}`, ``},
		{"states", "startExecution", sync, `{"ExecutionArn": "a", "StateMachineArn": "b", "Status": "SUCCEEDED", "StartDate": "c", "Output": {}}`, `Field 'Output' must be a string`},
		{"states", "startExecution", sync2, `{"ExecutionArn": "a", "StateMachineArn": "b", "Status": "SUCCEEDED", "StartDate": "c", "Output": {}}`, ``},
		{"states", "startExecution", sync2, `{"ExecutionArn": "a", "StateMachineArn": "b", "Status": "GONE", "StartDate": "c"}`, `Field 'Status' is not an expected value`},
		{"ecs", "runTask", answer, `{"Tasks": [{"TaskArn": 1}]}`, `Field 'TaskArn' must be a string`},
		{"ecs", "runTask", sync, `{"Tasks": [{"LastStatus": 1}]}`, `Field 'LastStatus' must be a string`},
		{"batch", "submitJob", answer, `{"JobName": "n"}`, `Required field 'JobId' is missing`},
		{"batch", "submitJob", sync, `{"Jobs": [{"JobName": "n"}]}`, `Required field 'JobId' is missing`},
		{"apigateway", "invoke", answer, `{"StatusCode": "any"}`, ``},
	} {
		got, err := h.Mismatch(c.service, c.action, c.pattern, value.Checked(c.result).Decode(), true)
		want := c.want
		if want != "" {
			want = "Mock result schema validation error: " + want
		}
		if got != want || err != nil {
			t.Errorf("%s:%s%s %.80s: %q, %v; want %q", c.service, c.action, c.pattern.Suffix(), c.result, got, err, want)
		}
		got, _ = h.Mismatch(c.service, c.action, c.pattern, value.Checked(c.result).Decode(), false)
		if missing := strings.HasPrefix(c.want, "Required"); !missing && got != want || missing && got != "" {
			t.Errorf("%s:%s %.80s: %q where something may be missing", c.service, c.action, c.result, got)
		}
	}
	if got, _ := h.Mismatch("sns", "publish", answer, value.Checked(`[]`).Decode(), true); got != "Mocked result must be a JSON object." {
		t.Errorf("a list: %q", got)
	}
}
