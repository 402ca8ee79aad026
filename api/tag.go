package api

// Tag is a name and a value that a user gives to a state machine or an activity, at most 50 each.
type Tag struct {
	Key   *string `json:"key,omitzero" check:"1..128"`
	Value *string `json:"value,omitzero" check:"0..256"`
}

// TagResourceInput is what TagResource takes.
type TagResourceInput struct {
	ResourceArn string `json:"resourceArn" check:"required,1..256"`
	Tags        []Tag  `json:"tags" check:"required"`
}

// TagResourceOutput is empty.
type TagResourceOutput struct{}

// UntagResourceInput is what UntagResource takes.
type UntagResourceInput struct {
	ResourceArn string   `json:"resourceArn" check:"required,1..256"`
	TagKeys     []string `json:"tagKeys" check:"required,each=1..128"`
}

// UntagResourceOutput is empty.
type UntagResourceOutput struct{}

// ListTagsForResourceInput is what ListTagsForResource takes.
type ListTagsForResourceInput struct {
	ResourceArn string `json:"resourceArn" check:"required,1..256"`
}

// ListTagsForResourceOutput lists the tags in the order of their keys.
type ListTagsForResourceOutput struct {
	Tags []Tag `json:"tags,omitzero"`
}
