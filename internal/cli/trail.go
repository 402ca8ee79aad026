package cli

import (
	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/cli/drawing"
)

// trail reads what became of an execution.
func (s *session) trail(svc api.Service, arn string) (*drawing.Trail, error) {
	x, err := svc.DescribeExecution(s.ctx, &api.DescribeExecutionInput{ExecutionArn: arn})
	if err != nil {
		return nil, err
	}
	t := drawing.NewTracker(func(e *api.HistoryEvent) string { return failureOf(*e) })
	sagas := false
	for e, err := range events(s.ctx, svc, arn, false) {
		if err != nil {
			return nil, err
		}
		t.Hear(&e)
		sagas = sagas || e.SagaEventDetails != nil
	}
	for state, run := range t.Runs() {
		x, err := svc.DescribeMapRun(s.ctx, &api.DescribeMapRunInput{MapRunArn: run})
		if err != nil {
			return nil, err
		}
		if x.ItemCounts != nil {
			t.Count(state, x.ItemCounts)
		}
	}
	trail := t.Tell(x.Status.Ended())
	trail.Status = string(x.Status)
	if !sagas { // nothing was undone, and other servers know no sagas
		return trail, nil
	}
	saga, err := s.wholeSaga(svc, arn)
	if err != nil {
		return nil, err
	}
	trail.AddSaga(saga)
	return trail, nil
}
