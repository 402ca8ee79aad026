package api

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// ARNKind says what an ARN names.
type ARNKind string

// The kinds of ARNs. Their text is the resource type in the ARN, but for KindVersion and KindAlias, whose type is stateMachine, too.
const (
	KindStateMachine ARNKind = "stateMachine"
	KindVersion      ARNKind = "stateMachineVersion"
	KindAlias        ARNKind = "stateMachineAlias"
	KindExecution    ARNKind = "execution"
	KindExpress      ARNKind = "express"
	KindActivity     ARNKind = "activity"
	KindMapRun       ARNKind = "mapRun"
)

// ARN is the parsed name of something in the API. Which fields are set depends on the kind:
//
//	stateMachine          arn:P:states:R:A:stateMachine:MACHINE[/LABEL]
//	stateMachineVersion   arn:P:states:R:A:stateMachine:MACHINE:VERSION
//	stateMachineAlias     arn:P:states:R:A:stateMachine:MACHINE:NAME
//	execution             arn:P:states:R:A:execution:MACHINE[/LABEL]:NAME
//	express               arn:P:states:R:A:express:MACHINE[/LABEL]:NAME:ID
//	mapRun                arn:P:states:R:A:mapRun:MACHINE/LABEL:ID
//	activity              arn:P:states:R:A:activity:NAME
//
// Whether region and account are ours is for the service to say.
type ARN struct {
	Kind      ARNKind
	Partition string // aws, aws-cn, …
	Region    string
	Account   string // 12 digits
	Machine   string // the state machine's name
	Label     string // of a distributed Map in it
	Name      string // of the execution, alias or activity
	Version   int    // from 1
	ID        string // of the express execution or map run
}

// ParseARN parses an ARN of any kind, and checks the names in it. Its error is an InvalidArn.
func ParseARN(text string) (ARN, error) {
	if !strings.HasPrefix(text, "arn:") {
		return ARN{}, InvalidArn("Invalid ARN prefix: " + text)
	}
	parts := strings.Split(text, ":")
	if len(parts) < 7 || len(parts) > 9 || parts[2] != "states" || !isPartition(parts[1]) || !isRegion(parts[3]) || !isAccount(parts[4]) {
		return ARN{}, InvalidArn("Invalid ARN: " + text)
	}
	arn := ARN{Partition: parts[1], Region: parts[3], Account: parts[4]}
	if !arn.setResource(parts[5], parts[6:]) {
		return ARN{}, InvalidArn("Invalid ARN: " + text)
	}
	return arn, nil
}

// setResource takes what comes after the account: a resource type and its parts.
func (a *ARN) setResource(resource string, parts []string) bool {
	switch {
	case resource == "stateMachine" && len(parts) == 1:
		a.Kind = KindStateMachine
		return a.setMachine(parts[0])
	case resource == "stateMachine" && len(parts) == 2:
		return a.setMachine(parts[0]) && a.Label == "" && a.setQualifier(parts[1])
	case resource == "execution" && len(parts) == 2:
		a.Kind, a.Name = KindExecution, parts[1]
		return a.setMachine(parts[0]) && ValidName(a.Name)
	case resource == "express" && len(parts) == 3:
		a.Kind, a.Name, a.ID = KindExpress, parts[1], parts[2]
		return a.setMachine(parts[0]) && ValidName(a.Name) && ValidName(a.ID)
	case resource == "mapRun" && len(parts) == 2:
		a.Kind, a.ID = KindMapRun, parts[1]
		return a.setMachine(parts[0]) && a.Label != "" && ValidName(a.ID)
	case resource == "activity" && len(parts) == 1:
		a.Kind, a.Name = KindActivity, parts[0]
		return ValidName(a.Name)
	}
	return false
}

func (a *ARN) setMachine(part string) bool {
	machine, label, labelled := strings.Cut(part, "/")
	a.Machine, a.Label = machine, label
	return ValidName(machine) && (!labelled || ValidName(label))
}

// setQualifier takes what comes after a state machine's name: all digits are a version, anything else an alias.
func (a *ARN) setQualifier(text string) bool {
	if strings.Trim(text, "0123456789") == "" {
		version, err := strconv.Atoi(text)
		a.Kind, a.Version = KindVersion, version
		return err == nil && version > 0 && text[0] != '0'
	}
	a.Kind, a.Name = KindAlias, text
	return ValidAlias(text)
}

// String is the ARN's text.
func (a ARN) String() string {
	machine := a.Machine
	if a.Label != "" {
		machine += "/" + a.Label
	}
	head := "arn:" + a.Partition + ":states:" + a.Region + ":" + a.Account + ":"
	switch a.Kind {
	case KindVersion:
		return head + "stateMachine:" + machine + ":" + strconv.Itoa(a.Version)
	case KindAlias:
		return head + "stateMachine:" + machine + ":" + a.Name
	case KindExecution:
		return head + "execution:" + machine + ":" + a.Name
	case KindExpress:
		return head + "express:" + machine + ":" + a.Name + ":" + a.ID
	case KindMapRun:
		return head + "mapRun:" + machine + ":" + a.ID
	case KindActivity:
		return head + "activity:" + a.Name
	}
	return head + "stateMachine:" + machine
}

// ValidName tells whether a state machine, an execution or an activity may have the name: 1 to 80 characters, no white space, control or
// special characters.
func ValidName(name string) bool {
	if name == "" || !utf8.ValidString(name) || utf8.RuneCountInString(name) > 80 {
		return false
	}
	for _, r := range name {
		if forbiddenInName(r) {
			return false
		}
	}
	return true
}

func forbiddenInName(r rune) bool {
	switch {
	case r <= ' ', r >= 0x7f && r <= 0x9f, r == 0xfffe, r == 0xffff, r == 0x10ffff:
		return true
	case r < 0x7f:
		return strings.ContainsRune("<>{}[]?*\"#%\\^|~`$&,;:/", r)
	}
	return r == 0x00a0 || r == 0x1680 || r >= 0x2000 && r <= 0x200a || r == 0x2028 || r == 0x2029 || r == 0x202f || r == 0x205f || r == 0x3000
}

// ValidAlias tells whether an alias may have the name: 1 to 80 letters, digits, '-', '_' and '.', and not all of them digits, which would be a
// version.
func ValidAlias(name string) bool {
	letters := false
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '_', c == '.':
			letters = true
		case c < '0' || c > '9':
			return false
		}
	}
	return letters && len(name) <= 80
}

func isPartition(s string) bool { return s == "aws" || strings.HasPrefix(s, "aws-") && isRegion(s) }

// isRegion tells whether s looks like a region, as in us-east-1: lower-case letters, digits and '-'.
func isRegion(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func isAccount(s string) bool { return len(s) == 12 && strings.Trim(s, "0123456789") == "" }
