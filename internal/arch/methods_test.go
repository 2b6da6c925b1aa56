package arch

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"path/filepath"
	"testing"
)

const maxMethods = 15

// A store that everything can be asked of has no obvious place for the next method.
func TestStoreMethods(t *testing.T) {
	t.Parallel()
	packages := list(t, ".", "-export", "-deps", "./internal/store/...", "./internal/ledger")
	exports := map[string]string{}
	for _, p := range packages {
		exports[p.ImportPath] = p.Export
	}
	checked := 0
	for _, p := range packages {
		folder, ok := ours(p.ImportPath)
		if !ok || forTests(folder) || !fits("internal/store/...", folder) && folder != "internal/ledger" {
			continue
		}
		scope := typesOf(t, p, exports).Scope()
		for _, name := range scope.Names() {
			typ, ok := scope.Lookup(name).(*types.TypeName)
			if !ok {
				continue
			}
			checked++
			if n := methods(typ.Type()); n > maxMethods {
				t.Errorf("%s.%s has %d methods, over %d: split it by the part of the program that uses it", folder, name, n, maxMethods)
			}
		}
	}
	if checked < 10 {
		t.Errorf("only %d types were looked at", checked)
	}
}

// methods counts the methods of a type and of a pointer to it, promoted ones included.
func methods(typ types.Type) int {
	if !types.IsInterface(typ) {
		typ = types.NewPointer(typ)
	}
	return types.NewMethodSet(typ).Len()
}

// typesOf checks the types of a package. What it imports is read from exports, the
// compiler's files by import path.
func typesOf(t *testing.T, p goPackage, exports map[string]string) *types.Package {
	t.Helper()
	positions := token.NewFileSet()
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(positions, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	lookup := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	config := types.Config{Importer: importer.ForCompiler(positions, "gc", lookup)}
	pkg, err := config.Check(p.ImportPath, positions, files, nil)
	if err != nil {
		t.Fatal(err)
	}
	return pkg
}
