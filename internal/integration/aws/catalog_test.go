package aws

import (
	"strings"
	"sync"
	"testing"
)

// TestWhatIsNotUsedIsNotRead: a service's model is read when it is first asked
// for, once however many ask, and no other's with it.
func TestWhatIsNotUsedIsNotRead(t *testing.T) {
	c := newCatalog(models)
	if len(c.loaded) > 0 {
		t.Fatal("models were read before anybody asked")
	}
	var all sync.WaitGroup
	got := make([]*model, 8)
	for i := range got {
		all.Go(func() { got[i], _ = c.model("sqs") })
	}
	all.Wait()
	for _, m := range got {
		if m == nil || m != got[0] {
			t.Fatalf("got %p and %p", m, got[0])
		}
	}
	if m, err := c.model("nothing"); m != nil || err != nil {
		t.Errorf("got %v, %v", m, err)
	}
	if len(c.loaded) != 1 {
		t.Errorf("%d models were read, want that of SQS alone", len(c.loaded))
	}
}

// TestEveryModelIsRead: all of them hold together, and fit their bound.
func TestEveryModelIsRead(t *testing.T) {
	c := newCatalog(models)
	files, err := c.open()
	if err != nil || len(files) < 350 {
		t.Fatalf("%d models, %v", len(files), err)
	}
	actions := 0
	for service, f := range files {
		m, err := c.model(service)
		if err != nil || f.UncompressedSize64 > maxModel || service != strings.ToLower(m.Name) {
			t.Errorf("%s: %v", service, err)
			continue
		}
		actions += len(m.Operations)
		for action, o := range m.Operations {
			if o.Input.shape.Kind != structureKind || o.Output.shape.Kind != structureKind || o.Name == "" {
				t.Errorf("%s:%s: %s is not from a structure to a structure", service, action, o.Name)
			}
		}
	}
	if actions < 15000 {
		t.Errorf("%d actions", actions)
	}
}

func TestDamagedModels(t *testing.T) {
	if _, err := newCatalog("no archive").model("sqs"); err == nil {
		t.Error("text was taken as an archive")
	}
	for text, want := range map[string]string{
		`{`: "unexpected end",
		`{"id":"X","ops":{"a":{"i":{"t":"7"},"o":{}}}}`:                `no shape "7"`,
		`{"id":"X","shapes":[{"k":"list","i":{"t":"-1"}}],"ops":null}`: `no shape "-1"`,
	} {
		if _, err := parseModel([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"TableName": "TableName", "taskArn": "TaskArn", "DBInstances": "DbInstances", "ETag": "ETag", "ARN": "Arn", "SS": "Ss", "BOOL": "Bool",
		"NULL": "Nul", "S": "S", "MD5OfMessageBody": "MD5OfMessageBody", "ChecksumCRC32": "ChecksumCRC32", "VPCId": "VpcId", "": "",
	} {
		if got := sdkName(name); got != want {
			t.Errorf("member %s: %s, want %s", name, got, want)
		}
	}
	for id, want := range map[string]string{
		"DynamoDB": "DynamoDb", "Secrets Manager": "SecretsManager", "SFN": "Sfn", "S3": "S3", "EC2": "Ec2", "Elasticsearch Service": "Elasticsearch",
		"Database Migration Service": "DatabaseMigration", "Elastic Load Balancing v2": "ElasticLoadBalancingV2", "SESv2": "SesV2", "IoT": "Iot",
		"Route 53": "Route53", "CloudWatch Logs": "CloudWatchLogs", "ACM PCA": "AcmPca", "ApiGatewayV2": "ApiGatewayV2", "EventBridge": "EventBridge",
		"Cognito Identity Provider": "CognitoIdentityProvider", "KMS": "Kms",
	} {
		if got := serviceName(id); got != want {
			t.Errorf("service %s: %s, want %s", id, got, want)
		}
	}
	for fault, want := range map[string]string{
		"ResourceNotFoundException": "ResourceNotFoundException", "NoSuchKey": "NoSuchKeyException", "InvalidToken": "InvalidTokenException",
		"DBInstanceNotFoundFault": "DbInstanceNotFoundException", "KMSInvalidStateException": "KmsInvalidStateException", "Fault": "FaultException",
	} {
		if got := exceptionName(fault); got != want {
			t.Errorf("error %s: %s, want %s", fault, got, want)
		}
	}
}

func TestEndpoints(t *testing.T) {
	c := newCatalog(models)
	for _, test := range []struct {
		service, region, self string
		environment           environment
		want, signs           string
	}{
		{service: "sqs", region: "eu-west-1", want: "https://sqs.eu-west-1.amazonaws.com/", signs: "eu-west-1"},
		{service: "ecr", region: "eu-west-1", want: "https://api.ecr.eu-west-1.amazonaws.com/", signs: "eu-west-1"},
		{service: "iam", region: "eu-west-1", want: "https://iam.amazonaws.com/", signs: "us-east-1"},
		{service: "iam", region: "cn-north-1", want: "https://iam.cn-north-1.amazonaws.com.cn/", signs: "cn-north-1"},
		{service: "secretsmanager", region: "us-east-1", environment: environment{"AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://a:1/b/", "AWS_ENDPOINT_URL": "http://c"}, want: "http://a:1/b/", signs: "us-east-1"},
		{service: "kms", region: "us-east-1", environment: environment{"AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://a:1", "AWS_ENDPOINT_URL": "http://c"}, want: "http://c/", signs: "us-east-1"},
		{service: "sfn", region: "us-east-1", self: "http://127.0.0.1:8083", want: "http://127.0.0.1:8083/", signs: "us-east-1"},
		{service: "sfn", region: "us-east-1", self: "http://127.0.0.1:8083", environment: environment{"AWS_ENDPOINT_URL_SFN": "http://d"}, want: "http://d/", signs: "us-east-1"},
		{service: "sfn", region: "us-east-1", want: "https://states.us-east-1.amazonaws.com/", signs: "us-east-1"},
	} {
		m, err := c.model(test.service)
		if err != nil {
			t.Fatal(err)
		}
		at := endpoints{lookup: test.environment.lookup, self: test.self, region: test.region}.of(m)
		u, err := at.address(m, &request{path: "/"})
		if err != nil || u.String() != test.want || at.region != test.signs {
			t.Errorf("%s: %s in %s, %v, want %s in %s", test.service, u, at.region, err, test.want, test.signs)
		}
	}
}

func TestHostsOfBuckets(t *testing.T) {
	m, err := newCatalog(models).model("s3")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/a-bucket/k":   "https://a-bucket.s3.eu-west-1.amazonaws.com/k",
		"/a-bucket":     "https://a-bucket.s3.eu-west-1.amazonaws.com/",
		"/a.bucket/k/l": "https://s3.eu-west-1.amazonaws.com/a.bucket/k/l",
		"/A/k":          "https://s3.eu-west-1.amazonaws.com/A/k",
		"/":             "https://s3.eu-west-1.amazonaws.com/",
	} {
		at := endpoints{lookup: environment{}.lookup, region: "eu-west-1"}.of(m)
		if u, err := at.address(m, &request{path: path}); err != nil || u.String() != want {
			t.Errorf("%s: %s, %v, want %s", path, u, err, want)
		}
	}
	control, err := newCatalog(models).model("s3control")
	if err != nil {
		t.Fatal(err)
	}
	at := endpoints{lookup: environment{}.lookup, region: "eu-west-1"}.of(control)
	if u, err := at.address(control, &request{path: "/v", prefix: "123456789012."}); err != nil || u.Host != "123456789012.s3-control.eu-west-1.amazonaws.com" {
		t.Errorf("got %s, %v", u, err)
	}
}
