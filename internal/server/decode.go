package server

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"reflect"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/backstep/backstep/api"
)

// Limits of bodies. A definition may have 1 MiB; its escapes within JSON and what is around it come on top.
const (
	maxBody   = 2 << 20
	largeBody = 64 << 10 // from here on, its buffer is not kept
	smallBody = 4 << 10  // up to here it is not counted
)

// readBody reads a request's body into the buffer, within the limits of size and time. The function that it returns is to be called when
// nothing of it is needed any more.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request, body *bytes.Buffer) (leave func(), err error) {
	leave = func() {}
	if r.ContentLength > maxBody {
		return leave, tooLarge()
	}
	size := r.ContentLength
	if size < 0 { // it does not tell
		size = maxBody
	}
	if size > smallBody {
		if !s.bodies.enter(r.Context(), size) {
			w.Header().Set("Connection", "close") // it is not read
			return leave, api.Errorf(api.CodeThrottling, "Rate exceeded: requests of %d bytes are under way.", s.bodies.most)
		}
		leave = func() { s.bodies.leave(size) }
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout))
	body.Grow(int(max(r.ContentLength, 0)) + bytes.MinRead)
	_, err = body.ReadFrom(io.LimitReader(r.Body, maxBody+1))
	switch {
	case err != nil:
		w.Header().Set("Connection", "close")
		return leave, api.Errorf(api.CodeSerialization, "The request's body could not be read to its end.")
	case body.Len() > maxBody:
		w.Header().Set("Connection", "close")
		return leave, tooLarge()
	}
	_ = control.SetReadDeadline(time.Time{})
	return leave, nil
}

func tooLarge() error {
	return api.Errorf(api.CodeRequestTooLarge, "The request's body has more than %d bytes.", maxBody)
}

// decode reads an operation's input, strictly: names in their exact case, none of them twice, in valid UTF-8. Members that the operation does not
// know are ignored, as AWS does.
func decode(rt *route, body []byte) (any, error) {
	in := rt.New()
	if err := json.Unmarshal(body, in); err != nil {
		return nil, malformed(err)
	}
	if err := rt.constraints.check(in, body); err != nil {
		return nil, err
	}
	return in, nil
}

// malformed says what is wrong with a body that can't be decoded.
func malformed(err error) error {
	var syntax *jsontext.SyntacticError
	if errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntax) {
		return api.Errorf(api.CodeSerialization, "The member %q is there more than once.", syntax.JSONPointer)
	}
	if errors.As(err, &syntax) {
		return api.Errorf(api.CodeSerialization, "The request's body is no valid JSON, at byte %d.", syntax.ByteOffset)
	}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		return api.Errorf(api.CodeSerialization, "%s can not be converted to %s, at %q.",
			kindName(semantic.JSONKind), goKindName(semantic.GoType), semantic.JSONPointer)
	}
	return api.Errorf(api.CodeSerialization, "The request's body is no valid JSON.")
}

func kindName(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "NULL_VALUE"
	case 't', 'f':
		return "BOOLEAN_VALUE"
	case '"':
		return "STRING_VALUE"
	case '0':
		return "NUMBER_VALUE"
	case '{':
		return "START_OBJECT"
	case '[':
		return "START_ARRAY"
	}
	return "The value"
}

func goKindName(t reflect.Type) string {
	if t == nil {
		return "what is wanted"
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "a boolean"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return "a whole number in range"
}
