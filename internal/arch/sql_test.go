package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"schoolbell"
)

// The stores whose SQL is checked.
var sqlFolders = []string{"internal/store/postgres", "internal/store/sqlite", "internal/store/postgres/webhooks", "internal/store/sqlite/webhooks",
	"internal/store/postgres/staff", "internal/store/sqlite/staff",
	"internal/store/postgres/school", "internal/store/sqlite/school"}

const (
	maxPositional  = 3   // parameters of a statement without names
	maxInlineWidth = 100 // of a statement in a function
	maxSQLWidth    = 140 // of a line
)

// sqlText is an expression of string literals that contains SQL: the texts of its literals.
type sqlText struct {
	line     int
	literals []string
	function bool // it is in a function, not the value of a constant or variable of the package, nor a fragment
	comment  bool // its constant, variable or fragment has a comment above it
}

var sqlWord = regexp.MustCompile(`\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH|FROM|JOIN|WHERE|VALUES|CASE|ORDER BY|UNION|EXISTS|IS NULL)\b`)

// sqlTexts returns the SQL of a file.
func sqlTexts(positions *token.FileSet, tree *ast.File) []sqlText {
	var found []sqlText
	add := func(root ast.Node, template sqlText) {
		ast.Inspect(root, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			if b, ok := e.(*ast.BinaryExpr); ok && b.Op != token.ADD {
				return true
			}
			switch e.(type) {
			case *ast.BinaryExpr, *ast.BasicLit:
				text := template
				text.line, text.literals = positions.Position(e.Pos()).Line, literals(e)
				if sqlWord.MatchString(strings.Join(text.literals, " ")) {
					found = append(found, text)
				}
				return false
			}
			return true
		})
	}
	for _, d := range tree.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			add(d, sqlText{function: !isFragment(d), comment: d.Doc != nil})
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if v, ok := s.(*ast.ValueSpec); ok {
					add(v, sqlText{comment: v.Doc != nil || !d.Lparen.IsValid() && d.Doc != nil})
				}
			}
		}
	}
	return found
}

// isFragment reports whether a function only returns a part of a statement, around its arguments.
func isFragment(f *ast.FuncDecl) bool {
	if f.Body == nil || len(f.Body.List) != 1 {
		return false
	}
	r, ok := f.Body.List[0].(*ast.ReturnStmt)
	if !ok || len(r.Results) != 1 || f.Type.Results == nil || len(f.Type.Results.List) != 1 {
		return false
	}
	kind, ok := f.Type.Results.List[0].Type.(*ast.Ident)
	return ok && kind.Name == "string"
}

// literals returns the values of the string literals of an expression.
func literals(e ast.Expr) (texts []string) {
	ast.Inspect(e, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if text, err := strconv.Unquote(l.Value); err == nil {
				texts = append(texts, text)
			}
		}
		return true
	})
	return texts
}

var (
	numbered   = regexp.MustCompile(`[$?](\d+)`)
	unnumbered = regexp.MustCompile(`\?(?:\D|$)`)

	// bareNumbers are numbers that stand for a status, a channel or the state of a user.
	bareNumbers = []*regexp.Regexp{
		regexp.MustCompile(`\b(status|state|channel|closing|final)\s*(=|<>|!=|<=|>=|<|>)\s*\d+`),
		regexp.MustCompile(`\b(status|state|channel|closing|final)\s+(NOT )?IN\s*\(\s*\d`),
		regexp.MustCompile(`\b(status|state|channel|closing|final)\s+WHEN\s+\d+`),
		regexp.MustCompile(`\b(status|state|channel)\s*=\s*CASE\b[^=]*\b(THEN|ELSE)\s+\d+`),
		regexp.MustCompile(`\bWHEN\s+[^;]*?\bTHEN\s+[1-9]\d*`),
	}
)

// domainValues matches the strings for which row.SQL has names.
var domainValues = func() *regexp.Regexp {
	values := []string{schoolbell.ReasonNoAddress, schoolbell.ReasonOptedOut}
	for _, s := range []schoolbell.EventStatus{schoolbell.EventScheduled, schoolbell.EventQueued, schoolbell.EventProcessing,
		schoolbell.EventCompleted, schoolbell.EventCancelled} {
		values = append(values, string(s))
	}
	for _, c := range schoolbell.BuiltInCategories() {
		values = append(values, string(c.ID))
	}
	return regexp.MustCompile("'(" + strings.Join(values, "|") + ")'")
}()

// faults returns what is wrong with a text.
func (s sqlText) faults() (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	all := strings.Join(s.literals, " ")
	for _, p := range numbered.FindAllStringSubmatch(all, -1) {
		if n, _ := strconv.Atoi(p[1]); n > maxPositional {
			fault("has the parameter %s: name the parameters", p[0])
		}
	}
	if n := len(unnumbered.FindAllString(all, -1)); n > maxPositional {
		fault("has %d parameters ?: name them", n)
	}
	for _, pattern := range bareNumbers {
		if found := pattern.FindString(all); found != "" {
			fault("has a bare number in %q: write a name of row.SQL", found)
		}
	}
	if found := domainValues.FindString(all); found != "" {
		fault("spells %s: write a name of row.SQL", found)
	}
	for _, literal := range s.literals {
		for line := range strings.SplitSeq(literal, "\n") {
			if n := utf8.RuneCountInString(line); n > maxSQLWidth {
				fault("has a line of %d characters, over %d", n, maxSQLWidth)
			}
		}
	}
	switch {
	case s.function && (strings.Contains(all, "\n") || utf8.RuneCountInString(all) > maxInlineWidth):
		fault("is a long statement in a function: give it a name and a sentence that says what it does")
	case !s.function && !s.comment:
		fault("has no comment: say what it does in a sentence above it")
	}
	return faults
}

// callsSQL returns the lines on which functions call row.SQL, which is for package variables.
func callsSQL(positions *token.FileSet, tree *ast.File) (lines []int) {
	for _, d := range tree.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "SQL" {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "row" {
					lines = append(lines, positions.Position(s.Pos()).Line)
				}
			}
			return true
		})
	}
	return lines
}

func TestSQL(t *testing.T) {
	t.Parallel()
	t.Run("statements are readable", testSQLReadable)
	t.Run("faults are found", testSQLFaultsFound)
}

// A reader of a statement sees what it does, which values it takes and what it compares.
func testSQLReadable(t *testing.T) {
	t.Parallel()
	texts := map[string]int{}
	for _, f := range tracked(t) {
		folder := path.Dir(f.path)
		if !slices.Contains(sqlFolders, folder) || !f.isGo() || f.isTest() {
			continue
		}
		positions := token.NewFileSet()
		tree, err := parser.ParseFile(positions, f.path, f.text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, text := range sqlTexts(positions, tree) {
			texts[folder]++
			for _, fault := range text.faults() {
				t.Errorf("%s:%d: the SQL %s", f.path, text.line, fault)
			}
		}
		for _, line := range callsSQL(positions, tree) {
			t.Errorf("%s:%d: a function calls row.SQL: build the statement once, as a variable of the package", f.path, line)
		}
	}
	for _, folder := range sqlFolders {
		if texts[folder] < 4 {
			t.Errorf("only %d texts with SQL were found in %s", texts[folder], folder)
		}
	}
}

func testSQLFaultsFound(t *testing.T) {
	t.Parallel()
	const long = "SELECT a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z FROM letters WHERE a = $1 ORDER BY a"
	for _, c := range []struct{ code, want string }{
		{`// Comment.
const q = "SELECT 1 FROM a WHERE b = $3 AND c = ?3"`, ""},
		{`const q = "SELECT 1 FROM a"`, "no comment"},
		{`// Comment of the group.
const (
	q = "SELECT 1 FROM a"
)`, "no comment"},
		{`const (
	// Comment.
	q = "SELECT 1 FROM a"
)`, ""},
		{`const text = "not a statement, status = 3"`, ""},
		{`func f() { g("SELECT 1 FROM a WHERE b = $1") }`, ""},
		{"func f() { g(`SELECT 1\n FROM a`) }", "long statement"},
		{`func f() { g("` + long + `") }`, "long statement"},
		{`func f() { g("SELECT 1 FROM a WHERE b = $1" + h + " AND c = $4") }`, "parameter $4"},
		{`func f() { g("SELECT 1 FROM a WHERE b = ?12") }`, "parameter ?12"},
		{`func f() { g("INSERT INTO a VALUES (?, ?, ?, ?)") }`, "4 parameters"},
		{`func f() { g("SELECT 1 FROM a WHERE d.status = 3") }`, "bare number"},
		{`func f() { g("SELECT 1 FROM a WHERE status IN (0, 1)") }`, "bare number"},
		{`func f() { g("SELECT 1 FROM a WHERE channel NOT IN (1)") }`, "bare number"},
		{`func f() { g("SELECT 1 FROM a WHERE u.state <> 0") }`, "bare number"},
		{`func f() { g("SELECT CASE c.channel WHEN 2 THEN u.email END FROM a") }`, "bare number"},
		{`func f() { g("UPDATE a SET status = CASE WHEN b THEN c ELSE 5 END") }`, "bare number"},
		{`func f() { g("SELECT CASE WHEN b THEN 7 ELSE c END FROM a") }`, "bare number"},
		{`func f() { g("SELECT coalesce(max(seq), 0) + 1 FROM a WHERE level < 5") }`, ""},
		{`func f() { g("SELECT 1 FROM a WHERE status = 'completed'") }`, "spells 'completed'"},
		{`func f() { g("SELECT 1 FROM a WHERE category NOT IN ('urgent')") }`, "spells 'urgent'"},
		{`// Comment.
func f(a string) string { return "CASE " + a + " WHEN {email} THEN u.email WHEN {sms} THEN u.phone END = (SELECT b FROM c WHERE d = e)" }`, ""},
		{`func f(a string) string { return "SELECT 1 FROM a" }`, "no comment"},
		{`func f() { g(row.SQL("SELECT 1 FROM a")) }`, "row.SQL"},
		{"// Comment.\nconst q = `SELECT 1 FROM a\n" + strings.Repeat("x", maxSQLWidth+1) + "`", "characters"},
	} {
		positions := token.NewFileSet()
		tree, err := parser.ParseFile(positions, "x.go", "package x\n\n"+c.code, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		var faults []string
		for _, text := range sqlTexts(positions, tree) {
			faults = append(faults, text.faults()...)
		}
		if len(callsSQL(positions, tree)) > 0 {
			faults = append(faults, "calls row.SQL")
		}
		if said := strings.Join(faults, "; "); (said == "") != (c.want == "") || !strings.Contains(said, c.want) {
			t.Errorf("%s: got %q, want %q", c.code, said, c.want)
		}
	}
}
