package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Backup asks the server for a backup of all that it keeps, as of one moment. The caller reads it to its end and closes it; one that breaks off
// lacks its end, and is no backup. Commits go on meanwhile.
func (c *Client) Backup(ctx context.Context) (io.ReadCloser, error) {
	return c.post(ctx, "backup", nil)
}

// BackupKept tells the server that a backup is kept, which was taken at that time: the server shows the time of the last one as a metric, until it
// ends.
func (c *Client) BackupKept(ctx context.Context, taken time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	answer, err := c.post(ctx, "backup/kept", strconv.AppendInt(nil, taken.UnixMilli(), 10))
	if err != nil {
		return err
	}
	return answer.Close()
}

// post asks the server for something beside the API.
func (c *Client) post(ctx context.Context, path string, body []byte) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint.JoinPath(path).String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if c.credentials.HasKeys() {
		sum := sha256.Sum256(body)
		if err := c.signer.SignHTTP(ctx, c.credentials, r, hex.EncodeToString(sum[:]), "states", c.region, time.Now()); err != nil {
			return nil, fmt.Errorf("%s: sign: %w", path, err)
		}
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%s: read the answer: %w", path, err)
	}
	return nil, c.failure(path, answer, text)
}
