package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"schoolbell/internal/testenv"
)

// undocumented lists the exported names of a file that have no comment: functions,
// methods of exported types, types with their fields and methods, constants and
// variables. For a constant in a group the group's comment will do, for a field its type
// if that is one of the file's package and says it all.
func undocumented(f *ast.File) (names []string) {
	note := func(name string, docs ...*ast.CommentGroup) {
		for _, doc := range docs {
			if doc.Text() != "" {
				return
			}
		}
		names = append(names, name)
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if name, exported := funcName(d); exported {
				note(name, d.Doc)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					if s.Name.IsExported() {
						note(s.Name.Name, d.Doc, s.Doc)
						members(s, note)
					}
				case *ast.ValueSpec:
					for _, n := range s.Names {
						if n.IsExported() {
							note(n.Name, d.Doc, s.Doc, s.Comment)
						}
					}
				}
			}
		}
	}
	return names
}

// funcName is a function's name with its receiver's, and whether readers see it.
func funcName(d *ast.FuncDecl) (name string, exported bool) {
	if d.Recv == nil {
		return d.Name.Name, d.Name.IsExported()
	}
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
			continue
		case *ast.IndexExpr:
			t = x.X
			continue
		case *ast.Ident:
			return x.Name + "." + d.Name.Name, x.IsExported() && d.Name.IsExported()
		}
		return d.Name.Name, d.Name.IsExported()
	}
}

// members notes the fields of a struct and the methods of an interface.
func members(s *ast.TypeSpec, note func(string, ...*ast.CommentGroup)) {
	var list *ast.FieldList
	switch t := s.Type.(type) {
	case *ast.StructType:
		list = t.Fields
	case *ast.InterfaceType:
		list = t.Methods
	default:
		return
	}
	for _, field := range list.List {
		if t, ok := field.Type.(*ast.Ident); ok && t.IsExported() && len(field.Names) == 1 && strings.HasSuffix(t.Name, field.Names[0].Name) {
			continue
		}
		for _, n := range field.Names {
			if n.IsExported() {
				note(s.Name.Name+"."+n.Name, field.Doc, field.Comment)
			}
		}
	}
}

func TestDocComments(t *testing.T) {
	t.Parallel()
	t.Run("exported names of the queue library have comments", testDocCommentsQueueLibrary)
	t.Run("names without a comment are found", testDocCommentsFound)
}

func testDocCommentsQueueLibrary(t *testing.T) {
	t.Parallel()
	for _, f := range tracked(t) {
		if !strings.HasPrefix(f.path, "bullmq/") || strings.Contains(f.path, "/internal/") || !f.isGo() || f.isTest() {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(testenv.Root(t), f.path), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range undocumented(parsed) {
			t.Errorf("%s: %s has no comment: say what it means, with its unit, range and errors", f.path, name)
		}
	}
}

func testDocCommentsFound(t *testing.T) {
	t.Parallel()
	const text = `package p
type T struct { A int; B int // b
	Kind OtherKind; c int }
type I interface { M() }
func (t *T) Do() {}
func F() {}
func (t hidden) Do() {}
// Group.
const ( C = 1; D = 2 )
var V, w int
`
	parsed, err := parser.ParseFile(token.NewFileSet(), "p.go", text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(undocumented(parsed), " "), "T T.A I I.M T.Do F V"; got != want {
		t.Errorf("found %q, want %q", got, want)
	}
}
