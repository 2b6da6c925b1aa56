package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// style paints text where the output is a terminal that shows colours. The zero
// value leaves it plain.
type style struct{ colour bool }

// styleOf decides by the error stream, where people are talked to, and leaves
// all of it plain when the results go elsewhere.
func styleOf(p Process) style {
	plain := slices.ContainsFunc(p.Env, func(kv string) bool {
		return strings.HasPrefix(kv, "NO_COLOR=") && kv != "NO_COLOR=" || kv == "TERM=dumb"
	})
	return style{colour: !plain && isTerminal(p.Out) && isTerminal(p.Err)}
}

// isTerminal tells whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// terminalWidth is the width of the terminal w, 80 for anything else.
func terminalWidth(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

// paint makes text printable and gives it the colour of an SGR code (ECMA-48 §8.3.117).
func (s style) paint(code, text string) painted {
	if text = printableLine(text); !s.colour || text == "" {
		return painted(text)
	}
	return painted("\x1b[" + code + "m" + text + "\x1b[0m")
}

func (s style) good(text string) painted { return s.paint("32", text) }
func (s style) warn(text string) painted { return s.paint("33", text) }
func (s style) bad(text string) painted  { return s.paint("31", text) }
func (s style) dim(text string) painted  { return s.paint("2", text) }
func (s style) bold(text string) painted { return s.paint("1", text) }

// number writes n with its thousands apart: 10,000.
func number[T int | int64](n T) string {
	digits := strconv.FormatInt(int64(n), 10)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// when writes a time for people, in their own zone; "-" for none.
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// table is aligned columns under a header.
type table struct {
	header []string
	right  []bool // columns of numbers
	rows   [][]string
}

// newTable returns a table. A header that ends in # is a column of numbers.
func newTable(header ...string) *table {
	t := &table{}
	for _, h := range header {
		name, numbers := strings.CutSuffix(h, "#")
		t.header, t.right = append(t.header, name), append(t.right, numbers)
	}
	return t
}

// add adds a row, whose cells are made printable.
func (t *table) add(cells ...string) {
	row := make([]string, len(cells))
	for i, cell := range cells {
		row[i] = printable(cell)
	}
	t.rows = append(t.rows, row)
}

// print writes the table; the last column is not padded.
func (t *table) print(w io.Writer, s style) {
	widths := make([]int, len(t.header))
	for _, row := range append([][]string{t.header}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	line := func(row []string) string {
		var b strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i > 0 {
				b.WriteString("  ")
			}
			if t.right[i] {
				b.WriteString(pad + cell)
			} else {
				b.WriteString(cell + pad)
			}
		}
		return strings.TrimRight(b.String(), " ")
	}
	fmt.Fprintln(w, s.dim(line(t.header)))
	for _, row := range t.rows {
		fmt.Fprintln(w, line(row))
	}
}

// cut shortens s to at most n characters.
func cut(s string, n int) string {
	s = printable(s)
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
