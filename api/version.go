package api

// PublishStateMachineVersionInput is what PublishStateMachineVersion takes. With RevisionId, a version is made only while the state machine is at
// that revision; INITIAL is the one of a state machine that was never updated.
type PublishStateMachineVersionInput struct {
	StateMachineArn string  `json:"stateMachineArn" check:"required,1..256"`
	RevisionId      *string `json:"revisionId,omitzero"`
	Description     *string `json:"description,omitzero" check:"0..256,secret"`
}

// PublishStateMachineVersionOutput names the version.
type PublishStateMachineVersionOutput struct {
	CreationDate           Timestamp `json:"creationDate"`
	StateMachineVersionArn string    `json:"stateMachineVersionArn"`
}

// DeleteStateMachineVersionInput is what DeleteStateMachineVersion takes.
type DeleteStateMachineVersionInput struct {
	StateMachineVersionArn string `json:"stateMachineVersionArn" check:"required,1..2000"`
}

// DeleteStateMachineVersionOutput is empty.
type DeleteStateMachineVersionOutput struct{}

// ListStateMachineVersionsInput asks for a page of a state machine's versions. MaxResults is the most that a page has, 100 where it is 0.
type ListStateMachineVersionsInput struct {
	StateMachineArn string  `json:"stateMachineArn" check:"required,1..256"`
	NextToken       *string `json:"nextToken,omitzero" check:"1..1024"`
	MaxResults      int32   `json:"maxResults,omitzero" check:"0..1000"`
}

// ListStateMachineVersionsOutput is a page. NextToken asks for the next one; the last page has none.
type ListStateMachineVersionsOutput struct {
	StateMachineVersions []StateMachineVersionListItem `json:"stateMachineVersions"`
	NextToken            *string                       `json:"nextToken,omitzero"`
}

// StateMachineVersionListItem is a version in a list.
type StateMachineVersionListItem struct {
	StateMachineVersionArn string    `json:"stateMachineVersionArn"`
	CreationDate           Timestamp `json:"creationDate"`
}
