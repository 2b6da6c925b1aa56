package sqlite

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStatementParameters(t *testing.T) {
	t.Parallel()
	text, names := numbered("SELECT @b, @a WHERE @b < @batch AND @a > @after")
	if want := "SELECT ?1, ?2 WHERE ?1 < ?3 AND ?2 > ?4"; text != want {
		t.Errorf("the text is %q, want %q", text, want)
	}
	if d := cmp.Diff([]string{"b", "a", "batch", "after"}, names); d != "" {
		t.Error(d)
	}

	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for name, c := range map[string]struct {
		args args
		ok   bool
	}{
		"each parameter has a value":      {args{"x": 7, "y": 2}, true},
		"a parameter has no value":        {args{"x": 7}, false},
		"a value belongs to no parameter": {args{"x": 7, "y": 2, "z": 1}, false},
		"a value has the wrong name":      {args{"x": 7, "z": 1}, false},
		"there are no values":             {nil, false},
		"a value is null":                 {args{"x": 7, "y": nil}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var x, y sql.NullInt64
			err := db.read(t.Context(), "test", func(conn *conn) error {
				return conn.get(t.Context(), "SELECT @x, @y WHERE @x = 7", c.args, &x, &y)
			})
			if (err == nil) != c.ok || errors.Is(err, sql.ErrNoRows) {
				t.Errorf("error %v, ok should be %v", err, c.ok)
			}
			if c.ok && (x.Int64 != 7 || y.Valid != (c.args["y"] != nil)) {
				t.Errorf("read %v and %v", x, y)
			}
		})
	}
}
