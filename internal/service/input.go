package service

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/value"
)

// input checks an execution's input, which may have that many bytes of UTF-8;
// none is {}.
func input(given *string, most int) (value.Text, error) {
	if given == nil {
		return value.Checked("{}"), nil
	}
	if len(*given) > most {
		return value.Text{}, api.InvalidExecutionInput(fmt.Sprintf("The input has %d bytes, more than the %d that are allowed.", len(*given), most))
	}
	text, err := value.Check(*given)
	if strings.TrimSpace(*given) == "" {
		return text, api.InvalidExecutionInput("Invalid execution input.")
	}
	if err != nil {
		return text, api.InvalidExecutionInput(syntax(*given, err))
	}
	return text, nil
}

// syntax words what is wrong with a JSON text as the service does.
func syntax(text string, err error) string {
	var e *value.SyntaxError
	if !errors.As(err, &e) {
		return err.Error()
	}
	if e.Offset >= len(text) {
		return "Unexpected end-of-input: " + e.Reason
	}
	rest := text[e.Offset:]
	r, _ := utf8.DecodeRuneInString(rest)
	if unicode.IsLetter(r) && (strings.Contains(e.Reason, "value")) {
		token := rest
		if i := strings.IndexFunc(rest, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' }); i >= 0 {
			token = rest[:i]
		}
		return fmt.Sprintf("Unrecognized token '%s': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')", token)
	}
	return fmt.Sprintf("Unexpected character ('%c' (code %d)): was expecting %s", r, r, expected(e.Reason))
}

// expected is what should have stood there, from the checker's reason.
func expected(reason string) string {
	switch {
	case strings.HasPrefix(reason, "a member name"):
		return "double-quote to start field name"
	case strings.HasPrefix(reason, "':'"):
		return "a colon to separate field name and value"
	case strings.HasPrefix(reason, "',' or '}'"):
		return "comma to separate Object entries"
	case strings.HasPrefix(reason, "',' or ']'"):
		return "comma to separate Array entries"
	}
	return "a valid value: " + reason
}
