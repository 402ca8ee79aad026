package service

import (
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// activityDoc is an activity as it is kept.
type activityDoc struct {
	Name       string                       `json:"name"`
	Created    api.Timestamp                `json:"created"`
	Encryption *api.EncryptionConfiguration `json:"encryption,omitempty"`
	Tags       []api.Tag                    `json:"tags,omitempty"`

	rev uint64
}

func (s *Service) activityKey(name string) store.DocKey {
	return store.DocKey{Tenant: s.tenant, Kind: kindActivity, Name: name}
}

func (s *Service) activityARN(name string) string {
	return s.arn(api.ARN{Kind: api.KindActivity, Name: name})
}

// activity is the activity of that name, or store.ErrNotFound.
func (s *Service) activity(ctx context.Context, name string) (*activityDoc, error) {
	doc, err := s.Store.Doc(ctx, s.activityKey(name))
	if err != nil {
		return nil, err
	}
	a := &activityDoc{rev: doc.Rev}
	return a, decodeDoc(doc, a)
}

// activityOf is the activity that an ARN names.
func (s *Service) activityOf(ctx context.Context, text string) (*activityDoc, error) {
	arn, err := s.ours(text, api.ActivityDoesNotExist, api.KindActivity)
	if err != nil {
		return nil, err
	}
	a, err := s.activity(ctx, arn.Name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, api.ActivityDoesNotExist(text)
	}
	return a, err
}

// CreateActivity makes an activity.
func (s *Service) CreateActivity(ctx context.Context, in *api.CreateActivityInput) (*api.CreateActivityOutput, error) {
	if !api.ValidName(in.Name) {
		return nil, api.InvalidName(in.Name)
	}
	if err := checkSettings(nil, in.EncryptionConfiguration); err != nil {
		return nil, err
	}
	arn := s.activityARN(in.Name)
	tags, err := mergeTags(nil, in.Tags, arn)
	if err != nil {
		return nil, err
	}
	for {
		was, err := s.activity(ctx, in.Name)
		if err == nil {
			if !reflect.DeepEqual(encryption(was.Encryption), encryption(in.EncryptionConfiguration)) {
				return nil, api.Errorf(api.CodeActivityAlreadyExists, "Activity Already Exists: '%s'", arn)
			}
			return &api.CreateActivityOutput{ActivityArn: arn, CreationDate: was.Created}, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		a := activityDoc{Name: in.Name, Created: s.now(), Encryption: in.EncryptionConfiguration, Tags: tags}
		body, err := encodeDoc(a)
		if err != nil {
			return nil, err
		}
		err = s.commitDoc(ctx, store.Doc{DocKey: s.activityKey(in.Name), Body: body}, 0)
		if err == nil {
			return &api.CreateActivityOutput{ActivityArn: arn, CreationDate: a.Created}, nil
		}
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrUnknown) {
			return nil, err
		}
	}
}

// DescribeActivity answers an activity.
func (s *Service) DescribeActivity(ctx context.Context, in *api.DescribeActivityInput) (*api.DescribeActivityOutput, error) {
	a, err := s.activityOf(ctx, in.ActivityArn)
	if err != nil {
		return nil, err
	}
	return &api.DescribeActivityOutput{
		ActivityArn: s.activityARN(a.Name), Name: a.Name, CreationDate: a.Created, EncryptionConfiguration: encryption(a.Encryption),
	}, nil
}

// DeleteActivity removes an activity.
func (s *Service) DeleteActivity(ctx context.Context, in *api.DeleteActivityInput) (*api.DeleteActivityOutput, error) {
	arn, err := s.ours(in.ActivityArn, api.ActivityDoesNotExist, api.KindActivity)
	if err != nil {
		return nil, err
	}
	if err := s.Store.Commit(ctx, &store.Batch{DropDocs: []store.DocKey{s.activityKey(arn.Name)}}); err != nil {
		return nil, refuse(err)
	}
	return &api.DeleteActivityOutput{}, nil
}

// ListActivities lists activities by name.
func (s *Service) ListActivities(ctx context.Context, in *api.ListActivitiesInput) (*api.ListActivitiesOutput, error) {
	p := s.page("ListActivities", in.MaxResults)
	after, err := p.after(in.NextToken)
	if err != nil {
		return nil, err
	}
	docs, err := s.Store.Docs(ctx, s.tenant, kindActivity, after, p.size+1)
	if err != nil {
		return nil, err
	}
	out := &api.ListActivitiesOutput{Activities: []api.ActivityListItem{}}
	for i, doc := range docs {
		if i == p.size {
			out.NextToken = p.next(docs[i-1].Name)
			break
		}
		var a activityDoc
		if err := decodeDoc(doc, &a); err != nil {
			return nil, err
		}
		out.Activities = append(out.Activities, api.ActivityListItem{ActivityArn: s.activityARN(a.Name), Name: a.Name, CreationDate: a.Created})
	}
	return out, nil
}

// pollTime is how long GetActivityTask waits for a task.
const pollTime = 60 * time.Second

// GetActivityTask hands out an activity's oldest task.
func (s *Service) GetActivityTask(ctx context.Context, in *api.GetActivityTaskInput) (*api.GetActivityTaskOutput, error) {
	a, err := s.activityOf(ctx, in.ActivityArn)
	if err != nil {
		return nil, err
	}
	worker := ""
	if in.WorkerName != nil {
		worker = *in.WorkerName
	}
	task, err := s.Engine.Poll(ctx, s.Account, s.Region, a.Name, worker, pollTime)
	if err != nil {
		return nil, refuse(err)
	}
	if task.Token == "" {
		return &api.GetActivityTaskOutput{}, nil
	}
	input := task.Input.String()
	return &api.GetActivityTaskOutput{TaskToken: &task.Token, Input: &input}, nil
}

// SendTaskSuccess completes a task with an output.
func (s *Service) SendTaskSuccess(ctx context.Context, in *api.SendTaskSuccessInput) (*api.SendTaskSuccessOutput, error) {
	output, err := value.Check(in.Output)
	if err != nil {
		return nil, api.InvalidOutput(syntax(in.Output, err))
	}
	if err := s.Engine.Complete(ctx, in.TaskToken, output, nil); err != nil {
		return nil, refuse(err)
	}
	return &api.SendTaskSuccessOutput{}, nil
}

// SendTaskFailure completes a task as failed.
func (s *Service) SendTaskFailure(ctx context.Context, in *api.SendTaskFailureInput) (*api.SendTaskFailureOutput, error) {
	err := s.Engine.Complete(ctx, in.TaskToken, value.Text{}, &machine.Failure{Error: in.Error, Cause: in.Cause})
	if err != nil {
		return nil, refuse(err)
	}
	return &api.SendTaskFailureOutput{}, nil
}

// SendTaskHeartbeat says that a task is being worked at.
func (s *Service) SendTaskHeartbeat(ctx context.Context, in *api.SendTaskHeartbeatInput) (*api.SendTaskHeartbeatOutput, error) {
	if err := s.Engine.Heartbeat(ctx, in.TaskToken); err != nil {
		return nil, refuse(err)
	}
	return &api.SendTaskHeartbeatOutput{}, nil
}
