package service

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode"

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

// maxTags is how many tags a resource has.
const maxTags = 50

// mergeTags sets tags upon others, in the order of their keys.
func mergeTags(tags, more []api.Tag, arn string) ([]api.Tag, error) {
	merged := slices.Clone(tags)
	for _, t := range more {
		if err := checkTag(t); err != nil {
			return nil, err
		}
		same := func(have api.Tag) bool { return *have.Key == *t.Key }
		if i := slices.IndexFunc(merged, same); i >= 0 {
			merged[i] = t
		} else {
			merged = append(merged, t)
		}
	}
	if len(merged) > maxTags {
		return nil, &api.Error{Code: api.CodeTooManyTags, Message: "Too many tags: at most 50 on a resource", ResourceName: arn}
	}
	slices.SortFunc(merged, func(a, b api.Tag) int { return strings.Compare(*a.Key, *b.Key) })
	return merged, nil
}

// checkTag refuses a tag that AWS has no place for.
func checkTag(t api.Tag) error {
	switch {
	case t.Key == nil:
		return api.Validation("A tag has no key.")
	case len(*t.Key) >= 4 && strings.EqualFold((*t.Key)[:4], "aws:"):
		return api.Validation("The tag key '%s' is reserved: no key of a user begins with aws:.", *t.Key)
	case strings.ContainsFunc(*t.Key, foreignToTags):
		return api.Validation("The tag key '%s' has a character that is no letter, digit, white space or one of _ . : / = + - @.", *t.Key)
	case t.Value != nil && strings.ContainsFunc(*t.Value, foreignToTags):
		return api.Validation("The tag value '%s' has a character that is no letter, digit, white space or one of _ . : / = + - @.", *t.Value)
	}
	return nil
}

func foreignToTags(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsSpace(r) && !strings.ContainsRune("_.:/=+-@", r)
}
