package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Backup asks the server for a backup of all that it keeps, as of one moment. The caller reads it to its end and closes it; one that breaks off
// lacks its end, and is no backup. Commits go on meanwhile.
func (c *Client) Backup(ctx context.Context) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint.JoinPath("backup").String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	if c.credentials.HasKeys() {
		sum := sha256.Sum256(nil)
		if err := c.signer.SignHTTP(ctx, c.credentials, r, hex.EncodeToString(sum[:]), "states", c.region, time.Now()); err != nil {
			return nil, fmt.Errorf("backup: sign: %w", err)
		}
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("backup: read the answer: %w", err)
	}
	return nil, c.failure("backup", answer, text)
}
