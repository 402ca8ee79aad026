package aws

import (
	"strings"
	"unicode"
)

// The second generation of AWS's SDK for Java, on which Step Functions stands,
// spells the names of a service's description in a way of its own, and what it
// makes of them is what definitions say.

// sdkName is a member's name as `aws-sdk:` integrations have it: the SDK's
// camel case with its first letter raised ("DBInstances" is "DbInstances").
func sdkName(name string) string {
	if name == "NULL" {
		return "Nul" // what Java can't call null
	}
	return firstRaised(lowered(name))
}

// firstRaised is a name with its first letter as a capital.
func firstRaised(name string) string {
	if name == "" {
		return ""
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

// lowered is a name in camel case: its first letter made small, and with it the
// capitals that follow, up to the one before a small letter ("DBInstances" is
// "dbInstances", "ETag" is "eTag").
func lowered(name string) string {
	if name == "" {
		return ""
	}
	i := 1
	for i < len(name) && isUpper(name[i]) && (i == len(name)-1 || isUpper(name[i+1])) {
		i++
	}
	return strings.ToLower(name[:i]) + name[i:]
}

// serviceName is a service's class in the SDK, from its id: "DynamoDB" is
// "DynamoDb", "Secrets Manager" "SecretsManager", "Elasticsearch Service"
// "Elasticsearch".
func serviceName(id string) string {
	name := pascal(id)
	name = strings.TrimPrefix(name, "Amazon")
	name = strings.TrimPrefix(name, "Aws")
	return strings.TrimSuffix(name, "Service")
}

// exceptionName is an error's class in the SDK, from its name in the service's
// description: "NoSuchKey" is "NoSuchKeyException", "DBInstanceNotFoundFault"
// "DbInstanceNotFoundException".
func exceptionName(fault string) string {
	if base, ok := strings.CutSuffix(fault, "Fault"); ok && base != "" {
		return pascal(base) + "Exception"
	}
	return strings.TrimSuffix(pascal(fault), "Exception") + "Exception"
}

// pascal is a name in Pascal case, each of its words with one capital.
func pascal(name string) string {
	var out strings.Builder
	for _, word := range wordsOf(name) {
		out.WriteString(firstRaised(strings.ToLower(word)))
	}
	return out.String()
}

// wordsOf are the words of a name: they end at what is neither letter nor digit,
// before a capital that follows a small letter and is followed by a letter or a
// digit, before the last capital of several that a small letter follows, and
// after a digit that a letter follows; a version ("v2") is a word.
func wordsOf(name string) []string {
	var all []string
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		start := 0
		for i := 1; i < len(part); i++ {
			if wordBegins(part, i) {
				all, start = append(all, part[start:i]), i
			}
		}
		all = append(all, part[start:])
	}
	return all
}

// wordBegins reports whether a word of part begins at i > 0.
func wordBegins(part string, i int) bool {
	before, at := part[i-1], part[i]
	next := byte(0)
	if i+1 < len(part) {
		next = part[i+1]
	}
	switch {
	case isUpper(at) && isLower(before):
		return isUpper(next) || isLower(next) || isDigit(next)
	case isUpper(at) && isUpper(before):
		return isLower(next) && !isVersion(part, i+1)
	case isDigit(before):
		return isUpper(at) || isLower(at)
	}
	return isVersion(part, i)
}

// isVersion reports whether a version stands at i, after two that are no small
// letters: that of "SESv2".
func isVersion(part string, i int) bool {
	return i >= 2 && i+1 < len(part) && part[i] == 'v' && isDigit(part[i+1]) && !isLower(part[i-1]) && !isLower(part[i-2])
}

func isUpper(b byte) bool { return b >= 'A' && b <= 'Z' }
func isLower(b byte) bool { return b >= 'a' && b <= 'z' }
func isDigit(b byte) bool { return b >= '0' && b <= '9' }
