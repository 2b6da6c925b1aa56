package postgres

import (
	"fmt"
	"testing"
)

func TestNamed(t *testing.T) {
	t.Parallel()
	t.Run("each parameter is numbered and needs one value", testNamedNumbered)
	t.Run("values can be added to a copy", testNamedWith)
}

func testNamedNumbered(t *testing.T) {
	t.Parallel()
	const text = "SELECT @b::text, '@c', @a + @b"
	for _, c := range []struct {
		values named
		want   string // empty for an error
	}{
		{named{"a": 1, "b": 2}, "SELECT $1::text, '@c', $2 + $1 [2 1]"},
		{named{"a": 3, "b": nil}, "SELECT $1::text, '@c', $2 + $1 [<nil> 3]"},
		{named{"a": 1}, ""},
		{named{"a": 1, "x": 2}, ""},
		{named{"a": 1, "b": 2, "c": 3}, ""},
	} {
		for range 2 { // translated, then known
			got, values, err := c.values.RewriteQuery(t.Context(), nil, text, nil)
			if (err != nil) != (c.want == "") {
				t.Errorf("%v: %v", c.values, err)
			} else if said := fmt.Sprint(got, " ", values); err == nil && said != c.want {
				t.Errorf("%v: got %s, want %s", c.values, said, c.want)
			}
		}
	}
}

func testNamedWith(t *testing.T) {
	t.Parallel()
	base := named{"a": 1}
	if all := base.with(named{"b": 2}); fmt.Sprint(all) != "map[a:1 b:2]" || len(base) != 1 {
		t.Errorf("got %v from %v", all, base)
	}
}
