package jsonata

// nodeKind tells what a [node] does.
type nodeKind uint8

const (
	// What the parser makes and what stays in the finished tree.
	literalNode    nodeKind = iota // a string, number, boolean or null
	nameNode                       // the member of that name
	variableNode                   // $name; "" is the context, "$" the input
	wildcardNode                   // *
	descendantNode                 // **
	parentNode                     // %
	patternNode                    // /…/
	negateNode                     // -left
	arrayNode                      // [list]
	objectNode                     // {pairs}
	blockNode                      // (list)
	conditionNode                  // left ? list[0] : list[1]
	binaryNode                     // left text right
	bindNode                       // $text := right
	applyNode                      // left ~> right
	callNode                       // left(list)
	partialNode                    // left(list) with ? among the list
	placeNode                      // the ? of a partial application
	lambdaNode                     // function(params){left}
	transformNode                  // |left|list[0],list[1]|
	pathNode                       // the steps of list
	sortNode                       // a step: ^(terms)

	// What the parser makes and the tree's second form puts elsewhere.
	stepNode      // left.right
	predicateNode // left[right]
	groupNode     // left{pairs}
	orderNode     // left^(terms)
	focusNode     // left@$text
	indexNode     // left#$text
	wordNode      // and, or, in where a name may stand
	endNode       // the end of the source where a value should stand
)

// kindNames names the kinds that an error may quote.
var kindNames = map[nodeKind]string{
	literalNode: "literal", variableNode: "variable", descendantNode: "descendant", patternNode: "regex",
	negateNode: "unary", arrayNode: "unary", objectNode: "unary", conditionNode: "condition", binaryNode: "binary",
	bindNode: "bind", applyNode: "apply", callNode: "function", partialNode: "partial", lambdaNode: "lambda",
	transformNode: "transform", sortNode: "sort", pathNode: "path", blockNode: "block", parentNode: "parent",
}

// operator is what a binary node does.
type operator uint8

const (
	addition operator = iota
	subtraction
	multiplication
	division
	remainder
	conjunction
	disjunction
	equality
	inequality
	less
	lessOrEqual
	greater
	greaterOrEqual
	concatenation
	inclusion
	spanning
)

var operatorNames = map[string]operator{
	"+": addition, "-": subtraction, "*": multiplication, "/": division, "%": remainder, "and": conjunction,
	"or": disjunction, "=": equality, "!=": inequality, "<": less, "<=": lessOrEqual, ">": greater,
	">=": greaterOrEqual, "&": concatenation, "in": inclusion, "..": spanning,
}

// node is a part of an expression. A finished tree is never changed.
type node struct {
	kind     nodeKind
	operator operator
	position int    // where its token ends
	height   int    // parts within one another beneath it
	text     string // a name, a variable, an operator, or the token itself
	literal  datum  // what a literal means; of a variable, the function that it means where nothing of its name is bound
	pattern  *pattern
	left     *node
	right    *node
	list     []*node
	pairs    [][2]*node
	terms    []term
	head     *head // of a lambda

	// What may hang on any node.
	predicates []*stage // filters of a node that is no step
	stages     []*stage // filters and counters of a step
	group      *node    // {…} behind it
	focus      string   // @$focus: bind the item, keep the context
	index      string   // #$index: bind the item's position
	ancestor   *slot    // where % may look for the context of this step

	// Until the tree is finished: the contexts that its % are looking for.
	slot    *slot
	seeking []*slot

	tuple         bool // a step, or a path, that makes bindings
	keepArray     bool // [] stands behind it
	bindsItems    bool // a path with such a step
	keepSingleton bool // a path: [] stands behind one of its steps
	constructs    bool // an array constructor that begins or ends a path
	binds         bool // it may bind a variable in the frame that it is evaluated in
	plain         bool // the name of a member and nothing else, as a step
	member        bool // a path of one such step
	bareVariable  bool // a variable and nothing else, as a step
	trailed       bool // no path: filters or a grouping stand behind it
	frameless     bool // a block that binds nothing in its own frame
}

// head is what stands before a lambda's body.
type head struct {
	params    []string
	signature *signature
	thunk     bool // there is nothing: the lambda stands for a call in tail position
}

// stage is a filter, [expression], or a counter, #$index, behind a step.
type stage struct {
	filter *node
	index  string
}

// term is one of an order-by clause.
type term struct {
	expression *node
	descending bool
}

// slot is the context that a % means: so many levels above it.
type slot struct {
	label string // the name under which a tuple keeps it
	level int
}

// each visits what stands right beneath n.
func (n *node) each(visit func(*node)) {
	some := func(child *node) {
		if child != nil {
			visit(child)
		}
	}
	some(n.left)
	some(n.right)
	for _, child := range n.list {
		visit(child)
	}
	for _, pair := range n.pairs {
		visit(pair[0])
		visit(pair[1])
	}
	for _, t := range n.terms {
		visit(t.expression)
	}
	for _, s := range n.predicates {
		some(s.filter)
	}
	for _, s := range n.stages {
		some(s.filter)
	}
	some(n.group)
}
