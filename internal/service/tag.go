package service

import (
	"context"
	"errors"
	"slices"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/store"
)

// TagResource sets tags.
func (s *Service) TagResource(ctx context.Context, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	err := s.changeTags(ctx, in.ResourceArn, func(tags []api.Tag) ([]api.Tag, error) {
		return mergeTags(tags, in.Tags, in.ResourceArn)
	})
	if err != nil {
		return nil, err
	}
	return &api.TagResourceOutput{}, nil
}

// UntagResource takes tags away.
func (s *Service) UntagResource(ctx context.Context, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	err := s.changeTags(ctx, in.ResourceArn, func(tags []api.Tag) ([]api.Tag, error) {
		gone := func(t api.Tag) bool { return slices.Contains(in.TagKeys, *t.Key) }
		return slices.DeleteFunc(slices.Clone(tags), gone), nil
	})
	if err != nil {
		return nil, err
	}
	return &api.UntagResourceOutput{}, nil
}

// ListTagsForResource lists tags.
func (s *Service) ListTagsForResource(ctx context.Context, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	r, err := s.tagged(ctx, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &api.ListTagsForResourceOutput{Tags: append([]api.Tag{}, r.tags...)}, nil
}

// changeTags replaces a resource's tags, again when somebody else was faster.
func (s *Service) changeTags(ctx context.Context, arn string, change func([]api.Tag) ([]api.Tag, error)) error {
	for {
		r, err := s.tagged(ctx, arn)
		if err != nil {
			return err
		}
		tags, err := change(r.tags)
		if err != nil {
			return err
		}
		body, err := encodeDoc(r.with(tags))
		if err != nil {
			return err
		}
		err = s.commitDoc(ctx, store.Doc{DocKey: r.key, Body: body}, r.rev)
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrUnknown) {
			return err
		}
	}
}

// tagged is a resource as its tags see it.
type tagged struct {
	key  store.DocKey
	rev  uint64
	tags []api.Tag
	with func([]api.Tag) any // its document with other tags
}

func (s *Service) tagged(ctx context.Context, text string) (tagged, error) {
	arn, err := s.ours(text, api.ResourceNotFound, api.KindStateMachine, api.KindActivity)
	if err != nil {
		return tagged{}, err
	}
	if arn.Kind == api.KindActivity {
		a, err := s.activity(ctx, arn.Name)
		if errors.Is(err, store.ErrNotFound) {
			return tagged{}, api.ResourceNotFound(text)
		}
		if err != nil {
			return tagged{}, err
		}
		return tagged{key: s.activityKey(arn.Name), rev: a.rev, tags: a.Tags, with: func(tags []api.Tag) any {
			changed := *a
			changed.Tags = tags
			return changed
		}}, nil
	}
	m, err := s.Catalog.machine(ctx, s.tenant, arn.Machine)
	if errors.Is(err, store.ErrNotFound) {
		return tagged{}, api.ResourceNotFound(text)
	}
	if err != nil {
		return tagged{}, err
	}
	return tagged{key: s.machineKey(arn.Machine), rev: m.rev, tags: m.Tags, with: func(tags []api.Tag) any {
		changed := *m
		changed.Tags = tags
		return changed
	}}, nil
}
