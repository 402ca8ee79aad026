package jsonata

import (
	"strconv"
	"strings"
)

// What an expression may be at most.
const (
	maxSource  = 131_072 // bytes
	maxNesting = 500     // brackets and signs within one another
	maxHeight  = 2_000   // parts within one another, a chain of operators included
)

// binding is how tightly an operator binds what stands on its left. Those that
// are not here never stand behind a value.
var binding = map[string]int{
	"(": 80, "[": 80, "@": 80, "#": 80, ".": 75, "{": 70, "*": 60, "/": 60, "%": 60, "+": 50, "-": 50, "&": 50,
	"=": 40, "!=": 40, "<": 40, ">": 40, "<=": 40, ">=": 40, "~>": 40, "^": 40, "in": 40,
	"and": 30, "or": 25, "?": 20, ":=": 10,
}

// prefixBinding is how tightly a minus binds what stands behind it.
const prefixBinding = 70

// parser reads tokens into nodes, by how tightly operators bind (Pratt).
type parser struct {
	lexer lexer
	token token // the next one
	depth int
}

// parse is the first form of the tree of source.
func parse(source string) *node {
	if len(source) > maxSource {
		panic(newError(codeTooLong, 0, "", maxSource))
	}
	if !isText(source) {
		panic(newError(codeNotText, 0, ""))
	}
	p := &parser{lexer: lexer{source: source}}
	p.token = p.lexer.next(false)
	n := p.expression(0)
	if p.token.kind != endToken {
		p.unexpected()
	}
	return n
}

func (p *parser) unexpected() {
	panic(newError("S0201", p.token.position, p.token.text, p.token.text))
}

// advance takes the next token, behind which an operator may or may not stand.
func (p *parser) advance(operatorMayStand bool) token {
	t := p.token
	p.token = p.lexer.next(operatorMayStand)
	return t
}

// expect takes an operator, behind which a value stands.
func (p *parser) expect(operator string) { p.take(operator, false) }

// close takes an operator, behind which another one may stand.
func (p *parser) close(operator string) { p.take(operator, true) }

func (p *parser) take(operator string, operatorMayStand bool) {
	switch t := &p.token; {
	case t.is(operator):
		p.advance(operatorMayStand)
	case t.kind == endToken:
		panic(newError("S0203", t.position, t.text, operator))
	default:
		panic(newError("S0202", t.position, t.text, operator, t.text))
	}
}

// expression reads a value and the operators behind it that bind more tightly
// than floor.
func (p *parser) expression(floor int) *node {
	p.depth++
	if p.depth > maxNesting {
		panic(newError(codeTooDeep, p.token.position, p.token.text))
	}
	left := p.measured(p.value(p.advance(true)))
	for p.token.kind == operatorToken && binding[p.token.text] > floor {
		left = p.measured(p.behind(left, p.advance(false)))
	}
	p.depth--
	return left
}

// measured is n, its height known and not too much.
func (p *parser) measured(n *node) *node {
	n.each(func(child *node) { n.height = max(n.height, child.height+1) })
	if n.height > maxHeight {
		panic(newError(codeTooDeep, n.position, n.text))
	}
	return n
}

// values is what the tokens mean that are values by themselves.
var values = map[tokenKind]nodeKind{
	nameToken: nameNode, variableToken: variableNode, stringToken: literalNode, numberToken: literalNode,
	constantToken: literalNode, patternToken: patternNode, endToken: endNode,
}

// value reads what begins with t, the token just taken.
func (p *parser) value(t token) *node {
	n := &node{position: t.position, text: t.text, literal: t.literal, pattern: t.pattern}
	if t.kind != operatorToken {
		n.kind = values[t.kind]
		return n
	}
	switch t.text {
	case "and", "or", "in":
		n.kind = wordNode
	case "*":
		n.kind = wildcardNode
	case "**":
		n.kind = descendantNode
	case "%":
		n.kind = parentNode
	case "-":
		n.kind, n.left = negateNode, p.expression(prefixBinding)
	case "(":
		p.block(n)
	case "[":
		p.array(n)
	case "{":
		n.kind, n.pairs = objectNode, p.pairs()
	case "|":
		p.transform(n)
	default:
		panic(newError("S0211", t.position, t.text, t.text))
	}
	return n
}

// block reads (a; b; …).
func (p *parser) block(n *node) {
	n.kind = blockNode
	for !p.token.is(")") {
		n.list = append(n.list, p.expression(0))
		if !p.token.is(";") {
			break
		}
		p.expect(";")
	}
	p.close(")")
}

// array reads [a, b..c, …].
func (p *parser) array(n *node) {
	n.kind = arrayNode
	p.listed("]", func() {
		item := p.expression(0)
		if p.token.is("..") {
			t := p.advance(false)
			item = &node{kind: binaryNode, text: t.text, position: t.position, left: item, right: p.expression(0)}
		}
		n.list = append(n.list, item)
	})
}

// listed reads items with commas between them, if any, and the operator behind
// them.
func (p *parser) listed(closing string, item func()) {
	if p.token.is(closing) {
		p.close(closing)
		return
	}
	p.several(closing, item)
}

// several is listed for at least one.
func (p *parser) several(closing string, item func()) {
	for item(); p.token.is(","); item() {
		p.expect(",")
	}
	p.close(closing)
}

// pairs reads name: value, … up to the closing brace.
func (p *parser) pairs() [][2]*node {
	var pairs [][2]*node
	p.listed("}", func() {
		name := p.expression(0)
		p.expect(":")
		pairs = append(pairs, [2]*node{name, p.expression(0)})
	})
	return pairs
}

// transform reads |pattern|update,delete|.
func (p *parser) transform(n *node) {
	n.kind = transformNode
	n.left = p.expression(0)
	p.expect("|")
	n.list = append(n.list, p.expression(0))
	if p.token.is(",") {
		p.expect(",")
		n.list = append(n.list, p.expression(0))
	}
	p.close("|")
}

// behind reads the operator t, just taken, and what it needs, behind left.
func (p *parser) behind(left *node, t token) *node {
	n := &node{kind: binaryNode, position: t.position, text: t.text, left: left}
	switch t.text {
	case "(":
		p.call(n)
	case "[":
		return p.predicate(n)
	case "{":
		n.kind, n.pairs = groupNode, p.pairs()
	case "^":
		p.order(n)
	case "@":
		n.kind = focusNode
		n.right = p.boundName(t)
	case "#":
		n.kind = indexNode
		n.right = p.boundName(t)
	case "?":
		n.kind, n.list = conditionNode, []*node{p.expression(0)}
		if p.token.is(":") {
			p.expect(":")
			n.list = append(n.list, p.expression(0))
		}
	case ":=":
		if left.kind != variableNode {
			panic(newError("S0212", left.position, left.text))
		}
		n.kind, n.text, n.left = bindNode, left.text, nil
		n.right = p.expression(binding[t.text] - 1)
	case ".":
		n.kind, n.right = stepNode, p.expression(binding[t.text])
	case "~>":
		n.kind, n.right = applyNode, p.expression(binding[t.text])
	default:
		n.right = p.expression(binding[t.text])
	}
	return n
}

// boundName reads the variable that stands behind @ or #.
func (p *parser) boundName(t token) *node {
	n := p.expression(binding[t.text])
	if n.kind != variableNode {
		panic(newError("S0214", n.position, t.text, t.text))
	}
	return n
}

// predicate reads [filter], or [] that keeps an array.
func (p *parser) predicate(n *node) *node {
	if !p.token.is("]") {
		n.kind, n.right = predicateNode, p.expression(0)
		p.close("]")
		return n
	}
	step := n.left
	for step.kind == predicateNode {
		step = step.left
	}
	step.keepArray = true
	p.expect("]")
	return n.left
}

// order reads ^(<a, >b, …).
func (p *parser) order(n *node) {
	n.kind = orderNode
	p.expect("(")
	p.several(")", func() {
		var t term
		if p.token.is("<") {
			p.expect("<")
		} else if p.token.is(">") {
			t.descending = true
			p.expect(">")
		}
		t.expression = p.expression(0)
		n.terms = append(n.terms, t)
	})
}

// call reads (a, ?, …), and the rest of a function that is defined.
func (p *parser) call(n *node) {
	n.kind = callNode
	p.listed(")", func() {
		if p.token.is("?") {
			t := p.advance(false)
			n.kind = partialNode
			n.list = append(n.list, &node{kind: placeNode, position: t.position, text: t.text})
		} else {
			n.list = append(n.list, p.expression(0))
		}
	})
	if n.left.kind == nameNode && (n.left.text == "function" || n.left.text == "λ") {
		p.lambda(n)
	}
}

// lambda reads the signature and the body of a function.
func (p *parser) lambda(n *node) {
	n.head = &head{}
	for i, param := range n.list {
		if param.kind != variableNode {
			panic(newError("S0208", param.position, param.text, strconv.Itoa(i+1), param.text))
		}
		n.head.params = append(n.head.params, param.text)
	}
	n.kind, n.list, n.left = lambdaNode, nil, nil
	if p.token.is("<") {
		position := p.token.position
		n.head.signature = parseSignature(p.signatureText(), position)
	}
	p.expect("{")
	n.left = p.expression(0)
	p.close("}")
}

// signatureText reads <…> to its closing bracket.
func (p *parser) signatureText() string {
	p.advance(false)
	var text strings.Builder
	for depth := 1; !p.token.is("{") && p.token.kind != endToken; {
		if p.token.is("<") {
			depth++
		} else if p.token.is(">") {
			if depth--; depth == 0 {
				break
			}
		}
		text.WriteString(p.advance(false).text)
	}
	p.expect(">")
	return text.String()
}
