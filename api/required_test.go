package api_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
)

// TestRequiredMembersOfEveryShape holds all shapes, answers and nested ones too,
// against what the SDK's documentation says of each member: one that is not
// required is left away where there is none, one that is required never is.
func TestRequiredMembersOfEveryShape(t *testing.T) {
	w := &requiredWalk{t: t, required: requiredMembers(t), seen: map[reflect.Type]bool{}}
	for _, o := range api.Operations {
		if strings.HasPrefix(o.Target, api.TargetAWS) {
			in, out := awsShapes(t, o.Name)
			w.structs(o.Input, in)
			w.structs(o.Output, out)
		}
	}
	if w.members < 300 {
		t.Errorf("%d members were looked at", w.members)
	}
}

// requiredMembers are the members that the SDK's source calls required, as
// "Type.Field".
func requiredMembers(t *testing.T) map[string]bool {
	t.Helper()
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/sfn").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := strings.TrimSpace(string(dir))
	files, _ := filepath.Glob(filepath.Join(root, "api_op_*.go"))
	required, fset := map[string]bool{}, token.NewFileSet()
	for _, file := range append(files, filepath.Join(root, "types", "types.go")) {
		parsed, err := parser.ParseFile(fset, file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			shape, ok := spec.Type.(*ast.StructType)
			if !ok {
				return false
			}
			for _, f := range shape.Fields.List {
				for _, name := range f.Names {
					required[spec.Name.Name+"."+name.Name] = strings.Contains(f.Doc.Text(), "This member is required.")
				}
			}
			return false
		})
	}
	return required
}

type requiredWalk struct {
	t        *testing.T
	required map[string]bool
	seen     map[reflect.Type]bool
	members  int
}

func (w *requiredWalk) structs(ours, theirs reflect.Type) {
	if w.seen[theirs] {
		return
	}
	w.seen[theirs] = true
	for _, f := range reflect.VisibleFields(theirs) {
		mine, ok := ours.FieldByName(f.Name)
		if !ok || len(f.Index) > 1 {
			continue // TestShapesAreThoseOfAWS tells
		}
		name := theirs.Name() + "." + f.Name
		required, known := w.required[name]
		if !known {
			w.t.Errorf("the SDK's source has no %s", name)
		}
		w.members++
		optional := strings.Contains(mine.Tag.Get("json"), ",omit")
		plain := f.Type.Kind() == reflect.Bool || f.Type.Kind() == reflect.Int32 || f.Type.Kind() == reflect.Int64 // is there as 0, too
		if optional == required && !plain {
			w.t.Errorf("%s: required by the SDK: %v, left away in our JSON: %v", name, required, optional)
		}
		w.types(mine.Type, f.Type)
	}
}

func (w *requiredWalk) types(ours, theirs reflect.Type) {
	for ours.Kind() == reflect.Pointer || ours.Kind() == reflect.Slice || ours.Kind() == reflect.Map {
		ours = ours.Elem()
	}
	for theirs.Kind() == reflect.Pointer || theirs.Kind() == reflect.Slice || theirs.Kind() == reflect.Map {
		theirs = theirs.Elem()
	}
	if theirs.Kind() == reflect.Struct && theirs != reflect.TypeFor[time.Time]() {
		w.structs(ours, theirs)
	}
}
