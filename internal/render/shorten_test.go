package render

import "testing"

func TestShorten(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		text  string
		limit int
		want  string
	}{
		{"", 3, ""}, {"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"äöüß", 3, "äö…"}, {"🎒🎒🎒", 3, "🎒🎒🎒"}, {"🎒🎒🎒🎒", 3, "🎒🎒…"},
		{"one two three four", 16, "one two three…"}, {"a bcdefghijklmnopq", 16, "a bcdefghijklmn…"},
	} {
		if got := shorten(x.text, x.limit); got != x.want {
			t.Errorf("%q in %d: %q, want %q", x.text, x.limit, got, x.want)
		}
	}
}
