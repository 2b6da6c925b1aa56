package cli

import (
	"strings"
	"testing"
	"time"
)

func TestStyle(t *testing.T) {
	t.Parallel()
	t.Run("numbers are grouped by thousands", testStyleNumbers)
	t.Run("table columns are aligned", testStyleTables)
	t.Run("progress without a terminal is a few lines", testStyleProgress)
	t.Run("colours need a terminal", testStyleColours)
	t.Run("long text is cut to one line", testStyleCut)
}

func testStyleNumbers(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 10000: "10,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := number(n); got != want {
			t.Errorf("number(%d) is %q, want %q", n, got, want)
		}
	}
}

func testStyleTables(t *testing.T) {
	t.Parallel()
	tb := newTable("NAME", "JOBS#", "NOTE")
	tb.add("événements", "1,000", "x")
	tb.add("b", "7", "")
	var out strings.Builder
	tb.print(&out, style{})
	want := "NAME         JOBS  NOTE\névénements  1,000  x\nb               7\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func testStyleProgress(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	p := newProgress(&out, style{}, "Reaching", 10, false)
	p.set(1, 10) // too soon to tell
	p.told = time.Now().Add(-time.Minute)
	p.set(4, 10)
	p.set(5, 10) // too soon again
	p.end()
	if want := "  Reaching: 4 of 10\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	out.Reset()
	quiet := newProgress(&out, style{}, "Reaching", 10, true)
	quiet.told = time.Time{}
	quiet.set(5, 10)
	quiet.end()
	if out.String() != "" {
		t.Errorf("quiet progress said %q", out.String())
	}
}

func testStyleColours(t *testing.T) {
	t.Parallel()
	if s := styleOf(Process{Out: &strings.Builder{}, Err: &strings.Builder{}}); s.bad("x") != "x" {
		t.Error("colours in a buffer")
	}
	if s := (style{colour: true}); s.bad("x") != "\x1b[31mx\x1b[0m" || s.bad("") != "" {
		t.Error("no colours on a terminal")
	}
}

func testStyleCut(t *testing.T) {
	t.Parallel()
	if got := cut("one\n  two  three", 9); got != "one two …" {
		t.Errorf("got %q", got)
	}
}
