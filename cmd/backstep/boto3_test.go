package main

import (
	"context"
	"os/exec"
	"testing"
)

// The foreign programs, where Debian puts them.
const (
	debianPython = "/usr/bin/python3"
	debianAWS    = "/usr/bin/aws"
)

// foreignEnv is all that a foreign client is told: a key, a region, and to look
// for nothing else.
func foreignEnv(t *testing.T, more ...string) []string {
	return append([]string{
		"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID=" + keyID, "AWS_SECRET_ACCESS_KEY=" + secret, "AWS_DEFAULT_REGION=us-east-1",
	}, more...)
}

// TestBoto3 runs testdata/boto3_client.py at a server that asks for signatures.
func TestBoto3(t *testing.T) {
	t.Parallel()
	if err := exec.Command(debianPython, "-c", "import boto3").Run(); err != nil {
		t.Skipf("boto3 is not here, so nothing is known of it: apt-get install python3-boto3 (%s: %v)", debianPython, err)
	}
	d := openDesk(t)
	n := serveChild(t, keys+d.configuration())
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	script := exec.CommandContext(ctx, debianPython, "testdata/boto3_client.py")
	script.Env = foreignEnv(t, "BACKSTEP_URL="+n.url, "DESK_URL="+d.url, "PYTHONDONTWRITEBYTECODE=1")
	if out, err := script.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
