package api

// RoutingConfigurationListItem sends a share of an alias's starts to a version: Weight is how many of a hundred.
type RoutingConfigurationListItem struct {
	StateMachineVersionArn string `json:"stateMachineVersionArn" check:"required,1..256"`
	Weight                 int32  `json:"weight" check:"required,0..100"`
}

// CreateStateMachineAliasInput is what CreateStateMachineAlias takes: a name and one or two versions of one state machine, whose weights make 100.
type CreateStateMachineAliasInput struct {
	Description          *string                        `json:"description,omitzero" check:"0..256,secret"`
	Name                 string                         `json:"name" check:"required,1..80,alias"`
	RoutingConfiguration []RoutingConfigurationListItem `json:"routingConfiguration" check:"required,items=1..2"`
}

// CreateStateMachineAliasOutput names the alias.
type CreateStateMachineAliasOutput struct {
	StateMachineAliasArn string    `json:"stateMachineAliasArn"`
	CreationDate         Timestamp `json:"creationDate"`
}

// UpdateStateMachineAliasInput is what UpdateStateMachineAlias takes: what is absent stays as it is.
type UpdateStateMachineAliasInput struct {
	StateMachineAliasArn string                         `json:"stateMachineAliasArn" check:"required,1..256"`
	Description          *string                        `json:"description,omitzero" check:"0..256,secret"`
	RoutingConfiguration []RoutingConfigurationListItem `json:"routingConfiguration,omitzero" check:"items=1..2"`
}

// UpdateStateMachineAliasOutput says when that was.
type UpdateStateMachineAliasOutput struct {
	UpdateDate Timestamp `json:"updateDate"`
}

// DescribeStateMachineAliasInput is what DescribeStateMachineAlias takes.
type DescribeStateMachineAliasInput struct {
	StateMachineAliasArn string `json:"stateMachineAliasArn" check:"required,1..256"`
}

// DescribeStateMachineAliasOutput is an alias.
type DescribeStateMachineAliasOutput struct {
	StateMachineAliasArn *string                        `json:"stateMachineAliasArn,omitzero"`
	Name                 *string                        `json:"name,omitzero"`
	Description          *string                        `json:"description,omitzero"`
	RoutingConfiguration []RoutingConfigurationListItem `json:"routingConfiguration,omitzero"`
	CreationDate         *Timestamp                     `json:"creationDate,omitzero"`
	UpdateDate           *Timestamp                     `json:"updateDate,omitzero"`
}

// DeleteStateMachineAliasInput is what DeleteStateMachineAlias takes.
type DeleteStateMachineAliasInput struct {
	StateMachineAliasArn string `json:"stateMachineAliasArn" check:"required,1..256"`
}

// DeleteStateMachineAliasOutput is empty.
type DeleteStateMachineAliasOutput struct{}

// ListStateMachineAliasesInput asks for a page of the aliases of a state machine, or of those that lead to a version. MaxResults is the most that a
// page has, 100 where it is 0.
type ListStateMachineAliasesInput struct {
	StateMachineArn string  `json:"stateMachineArn" check:"required,1..256"`
	NextToken       *string `json:"nextToken,omitzero" check:"1..1024"`
	MaxResults      int32   `json:"maxResults,omitzero" check:"0..1000"`
}

// ListStateMachineAliasesOutput is a page. NextToken asks for the next one; the last page has none.
type ListStateMachineAliasesOutput struct {
	StateMachineAliases []StateMachineAliasListItem `json:"stateMachineAliases"`
	NextToken           *string                     `json:"nextToken,omitzero"`
}

// StateMachineAliasListItem is an alias in a list.
type StateMachineAliasListItem struct {
	StateMachineAliasArn string    `json:"stateMachineAliasArn"`
	CreationDate         Timestamp `json:"creationDate"`
}
