package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// npmFolder is a folder with a program in JavaScript and what it is made of,
// fetched as the lock beside it says. Where that is not to be had, the test says
// what is not known, and is skipped.
func npmFolder(t *testing.T, what, from, program string) string {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not here, so nothing is known of %s: apt-get install nodejs npm (%v)", tool, what, err)
		}
	}
	if v, err := exec.CommandContext(t.Context(), "node", "--print", "parseInt(process.versions.node) >= 20").Output(); string(v) != "true\n" {
		t.Skipf("node is older than %s wants, 20, so nothing is known of it: %s, %v", what, v, err)
	}
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", program} {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fetch := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund")
	fetch.Dir = dir
	if out, err := fetch.CombinedOutput(); err != nil {
		t.Skipf("%s can't be fetched, so nothing is known of it: %v\n%s", what, err, out)
	}
	return dir
}

// TestJavaScriptSDK runs testdata/js/client.mjs at a server that asks for
// signatures.
func TestJavaScriptSDK(t *testing.T) {
	t.Parallel()
	dir := npmFolder(t, "the AWS SDK for JavaScript", "testdata/js", "client.mjs")
	definitions, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	d := openDesk(t)
	n := serveChild(t, keys+d.configuration())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	script := exec.CommandContext(ctx, "node", "client.mjs")
	script.Dir = dir
	script.Env = append(foreignEnv(t, "BACKSTEP_URL="+n.url, "DESK_URL="+d.url, "DEFINITIONS="+definitions), "PATH="+os.Getenv("PATH"))
	if out, err := script.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
