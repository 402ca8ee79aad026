package server_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/client"
	"github.com/backstep/backstep/internal/server"
)

func post(t *testing.T, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	status, _, text := send(t, r)
	return status, text
}

// What can't be backed up is refused as a call is, before its first byte; what breaks
// off behind that has no end.
func TestBackupsThatFail(t *testing.T) {
	for name, c := range map[string]struct {
		before string
		ready  error
		status int
		says   string
	}{
		"at once":               {"", nil, 500, `"InternalFailure"`},
		"while it is not ready": {"", errors.New("the store does not answer"), 503, `"ServiceUnavailable"`},
		"in the middle":         {"some rows", nil, 200, ""},
	} {
		_, url := open(t, server.Config{Service: newFake(), Ready: func() error { return c.ready }, Backup: func(_ context.Context, to io.Writer) error {
			if c.before != "" {
				io.WriteString(to, c.before)
			}
			return errors.New("as asked")
		}})
		answer, err := http.Post(url+"/backup", "", nil)
		if err != nil {
			if c.before == "" {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != c.status || !strings.Contains(string(text), c.says) || (err == nil) != (c.before == "") {
			t.Errorf("%s: %d %s, %v", name, answer.StatusCode, text, err)
		}
	}
}

// Who has kept a backup says so, and the server shows when the last was taken: the
// later one, never one of the future, and nobody's who may not call the API.
func TestBackupsThatAreKept(t *testing.T) {
	backup := func(context.Context, io.Writer) error { return nil }
	_, url := open(t, server.Config{Service: newFake(), Backup: backup})
	shown := func() float64 {
		t.Helper()
		answer, err := http.Get(url + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		_, rest, _ := strings.Cut(string(text), "\nbackstep_last_backup_timestamp_seconds ")
		value, _, _ := strings.Cut(rest, "\n")
		seconds, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatal(err)
		}
		return seconds
	}
	if at := shown(); at != 0 {
		t.Errorf("before any it was taken at %v", at)
	}
	kept, err := client.New(client.Config{Endpoint: url})
	if err != nil {
		t.Fatal(err)
	}
	for _, taken := range []int64{1_700_000_060_500, 1_700_000_000_000} {
		if err := kept.BackupKept(t.Context(), time.UnixMilli(taken)); err != nil {
			t.Fatal(err)
		}
	}
	if at := shown(); at != 1_700_000_060.5 {
		t.Errorf("the last was taken at %v", at)
	}
	for _, wrong := range []string{"", "now", "-5", "0", "99999999999999999999"} {
		if status, text := post(t, url+"/backup/kept", wrong); status != 400 {
			t.Errorf("%q: %d %s", wrong, status, text)
		}
	}
	if status, _ := post(t, url+"/backup/kept", "9000000000000000"); status != 200 || shown() > float64(time.Now().UnixMilli())/1000 {
		t.Errorf("of the future: %d, %v", status, shown())
	}
	_, locked := open(t, server.Config{Service: newFake(), Backup: backup, Keys: map[string]string{"AK": "secret"}, Region: "us-east-1"})
	for _, path := range []string{"/backup", "/backup/kept"} {
		if status, text := post(t, locked+path, "1700000000000"); status != 403 {
			t.Errorf("%s without a signature: %d %s", path, status, text)
		}
	}
	signed, err := client.New(client.Config{Endpoint: locked, Region: "us-east-1", Credentials: client.Credentials{AccessKeyID: "AK", SecretAccessKey: "secret"}})
	if err == nil {
		err = signed.BackupKept(t.Context(), time.UnixMilli(1_700_000_000_000))
	}
	if err != nil {
		t.Error(err)
	}
}
