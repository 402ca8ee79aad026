package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
	"github.com/backstep/backstep/rig/fiend"
)

// patience is the TimeoutSeconds of each attempt, and grace how late its end may be.
const (
	patience = 3
	grace    = time.Second
)

// modes meets every mode, by a function and by http:invoke: each attempt ends in
// time, and none does well that did not.
func (r *rig) modes(ctx context.Context, s *server) error {
	var mu sync.Mutex
	var worst time.Duration
	ended, good := 0, map[string]bool{"too-short": true, "gzip-bomb": true}
	var wrong []string
	var all sync.WaitGroup
	for _, m := range fiend.Modes {
		http := fmt.Sprintf(`{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::http:invoke","TimeoutSeconds":%d,"Parameters":{"ApiEndpoint":%q,"Method":"POST","RequestBody":{}},"End":true}}}`, patience, r.fiend.URL(m.Name))
		for way, definition := range map[string]string{"function": calls(m.Name, 1, fmt.Sprintf(`"TimeoutSeconds":%d,`, patience)), "http": http} {
			machine, err := s.machine(ctx, way+"-"+m.Name, definition)
			if err != nil {
				return err
			}
			all.Go(func() {
				began := time.Now()
				arn, err := s.start(ctx, machine)
				var end *api.DescribeExecutionOutput
				if err == nil {
					end, err = client.Await(ctx, s, arn)
				}
				took := time.Since(began)
				mu.Lock()
				defer mu.Unlock()
				worst = max(worst, took)
				switch {
				case err != nil:
					wrong = append(wrong, way+" "+m.Name+": "+err.Error())
					return
				case end.Status == api.ExecutionStatusSucceeded && !good[m.Name]:
					wrong = append(wrong, way+" "+m.Name+" did well")
				}
				ended++
			})
		}
	}
	all.Wait()
	r.bars.Least("modes: attempts that ended", float64(ended), float64(2*len(fiend.Modes)), "")
	r.bars.Most(fmt.Sprintf("modes: the last of them, of %d s", patience), worst.Seconds(), (patience*time.Second + grace).Seconds(), "s")
	r.bars.Hold("modes: what went otherwise than it should", fmt.Sprintf("%d %s", len(wrong), strings.Join(wrong, "; ")), "0", len(wrong) == 0)
	return nil
}
