package linediff

import (
	"fmt"
	"strings"
	"testing"
)

// shownDiff writes a comparison as programs do.
func shownDiff(lines []Line) string {
	var b strings.Builder
	for _, d := range lines {
		switch d.Mark {
		case Skipped:
			fmt.Fprintf(&b, "..%d|", d.Skipped)
		case Added:
			fmt.Fprintf(&b, "+%d %s|", d.New, d.Text)
		case Removed:
			fmt.Fprintf(&b, "-%d %s|", d.Old, d.Text)
		default:
			fmt.Fprintf(&b, "%d/%d %s|", d.Old, d.New, d.Text)
		}
	}
	return b.String()
}

func TestLines(t *testing.T) {
	many := strings.Repeat("same\n", 10)
	for _, c := range []struct{ from, to, want string }{
		{"", "", ""},
		{"", "a\nb", "+1 a|+2 b|"},
		{"a\nb", "", "-1 a|-2 b|"},
		{"a\r\nb\n", "a\nb", "..2|"},
		{"a\nb\nc", "a\nx\nc", "1/1 a|-2 b|+2 x|3/3 c|"},
		{"a\nb\nc\nd", "b\nc\ne\nd", "-1 a|2/1 b|3/2 c|+3 e|4/4 d|"},
		{many + "old\n" + many, many + "new\n" + many, "..7|8/8 same|9/9 same|10/10 same|-11 old|+11 new|12/12 same|13/13 same|14/14 same|..7|"},
		{"a", "a\n\n", "1/1 a|+2 |"},
	} {
		if got := shownDiff(Lines(c.from, c.to)); got != c.want {
			t.Errorf("%q and %q: %s, want %s", c.from, c.to, got, c.want)
		}
	}
	var from, to strings.Builder
	for i := range 3_000 {
		fmt.Fprintf(&from, "from %d\n", i)
		fmt.Fprintf(&to, "to %d\n", i)
	}
	if got := Lines(from.String(), to.String()); len(got) != 6_000 || got[0].Mark != Removed || got[5_999].Mark != Added {
		t.Errorf("%d lines of two texts that share none", len(got))
	}
}
