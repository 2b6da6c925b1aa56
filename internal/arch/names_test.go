package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The longest names: words and characters of a test's name after "Test", characters of a subtest's.
const (
	maxTestWords   = 3
	maxTestName    = 28
	maxSubtestName = 60
)

// camelWord is a word of a name in camel case. Adjacent capitals begin one word.
var camelWord = regexp.MustCompile(`[A-Z]+[a-z0-9]*`)

// isSentence tells whether the name of a test is longer than that of a subject.
func isSentence(name string) bool {
	name = strings.TrimPrefix(name, "Test")
	return len(name) > maxTestName || len(camelWord.FindAllString(name, -1)) > maxTestWords
}

// special are the characters that mean something in the pattern of `go test -run`, where a slash parts the names
// of a test and its subtests.
const special = `/()[]{}*+?|^$\`

// unusable says why a name of a subtest is a bad pattern for `go test -run`, or nothing.
func unusable(name string) string {
	switch {
	case strings.ContainsAny(name, special):
		return "contains one of " + special
	case len([]rune(name)) > maxSubtestName:
		return "has more than " + strconv.Itoa(maxSubtestName) + " characters"
	}
	return ""
}

// subtestNames returns the names of subtests that a file contains as literals: arguments of Run, keys and first
// fields of the table that a loop around a call of Run ranges over, and the promises of suites.
func subtestNames(tree *ast.File) (names []string) {
	add := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if name, err := strconv.Unquote(lit.Value); err == nil {
				names = append(names, name)
			}
		}
	}
	tables := map[string]*ast.CompositeLit{}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				if name, ok := left.(*ast.Ident); ok && i < len(n.Rhs) {
					if table, ok := n.Rhs[i].(*ast.CompositeLit); ok {
						tables[name.Name] = table
					}
				}
			}
		case *ast.CallExpr:
			if runs(n) {
				add(n.Args[0])
			}
		case *ast.CompositeLit:
			if array, ok := n.Type.(*ast.ArrayType); ok && isIdent(array.Elt, "promise") {
				firsts(n, add)
			}
		case *ast.RangeStmt:
			table, ok := n.X.(*ast.CompositeLit)
			if name, named := n.X.(*ast.Ident); named {
				table, ok = tables[name.Name], tables[name.Name] != nil
			}
			if ok && runsItems(n) {
				firsts(table, add)
			}
		}
		return true
	})
	return names
}

// runs tells whether a call is that of a method Run with a name and a function.
func runs(c *ast.CallExpr) bool {
	f, ok := c.Fun.(*ast.SelectorExpr)
	return ok && f.Sel.Name == "Run" && len(c.Args) == 2
}

// runsItems tells whether the body of a loop calls Run with the loop's variable, or with a field of it, as the name.
func runsItems(loop *ast.RangeStmt) (found bool) {
	ast.Inspect(loop.Body, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok && runs(c) {
			name := c.Args[0]
			if field, ok := name.(*ast.SelectorExpr); ok && field.Sel.Name == "name" {
				name = field.X
			}
			id, ok := name.(*ast.Ident)
			found = found || ok && (isIdent(loop.Key, id.Name) || isIdent(loop.Value, id.Name))
		}
		return !found
	})
	return found
}

// firsts calls add with the keys of a map, or else with the items of a list or their first fields.
func firsts(table *ast.CompositeLit, add func(ast.Expr)) {
	_, isMap := table.Type.(*ast.MapType)
	for _, e := range table.Elts {
		if pair, ok := e.(*ast.KeyValueExpr); ok && isMap {
			e = pair.Key
		}
		if item, ok := e.(*ast.CompositeLit); ok && len(item.Elts) > 0 {
			e = item.Elts[0]
			if field, ok := e.(*ast.KeyValueExpr); ok && isIdent(field.Key, "name") {
				e = field.Value
			}
		}
		add(e)
	}
}

func isIdent(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name && name != "_"
}

func TestNames(t *testing.T) {
	t.Parallel()
	t.Run("names are short and usable with go test -run", testNamesUsable)
	t.Run("names of subtests are found", testNamesFound)
}

func testNamesUsable(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, f := range tracked(t) {
		if !f.isGo() || f.generated() {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), f.path, f.text, parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("%s: %v", f.path, err)
			continue
		}
		for _, name := range declared(tree) {
			if f.isTest() && strings.HasPrefix(name, "Test") && isSentence(name) {
				t.Errorf("%s: %s has more than %d words or %d characters; name its subject, and let subtests name what holds",
					f.path, name, maxTestWords, maxTestName)
			}
		}
		for _, name := range subtestNames(tree) {
			seen++
			if why := unusable(name); why != "" {
				t.Errorf("%s: the name of the subtest %q %s", f.path, name, why)
			}
		}
	}
	if seen < 500 {
		t.Errorf("only %d names were found: the test would show nothing", seen)
	}
}

func testNamesFound(t *testing.T) {
	t.Parallel()
	tree, err := parser.ParseFile(token.NewFileSet(), "x_test.go", `package x
var list = []promise{{"a", nil}, {"b", nil}}
func TestX(t *testing.T) {
	t.Run("c", f)
	for name, c := range map[string]int{"d": 1} { t.Run(name, f) }
	for _, c := range []struct{ name string }{{"e"}, {name: "f"}} { t.Run(c.name, f) }
	for _, name := range []string{"g"} { t.Run(name, f) }
	table := []struct{ name string }{{"h"}}
	for _, c := range table { t.Run(c.name, f) }
	for _, c := range []struct{ text string }{{"not a name"}} { f(c.text) }
}`, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(subtestNames(tree), " "); got != "a b c d e f g h" {
		t.Errorf("found %s", got)
	}
	for name, usable := range map[string]bool{"names a person": true, "by id/key": false, "(none)": false, strings.Repeat("x", maxSubtestName+1): false} {
		if (unusable(name) == "") != usable {
			t.Errorf("%q: usable is %v", name, !usable)
		}
	}
	for name, sentence := range map[string]bool{"TestAddBulk": false, "TestSchoolSettingsValidate": false, "TestAJobFetchedByHandIsSettled": true} {
		if isSentence(name) != sentence {
			t.Errorf("%s: is a sentence: %v", name, !sentence)
		}
	}
}
