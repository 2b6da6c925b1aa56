package bench

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// median is the middle value; of an even number, the higher of the two.
func median[T cmp.Ordered](values []T) T { return quantile(values, 0.5) }

// quantile is the value below which the part q of the values lies, 0 for none.
func quantile[T cmp.Ordered](values []T, q float64) T {
	if len(values) == 0 {
		return *new(T)
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// table is aligned columns of text, the first of them names.
type table struct{ rows [][]string }

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) print(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, cells := range t.rows {
		fmt.Fprintf(tw, "%s\t\n", strings.Join(cells, "\t"))
	}
	_ = tw.Flush() // w is a terminal or a buffer
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }

func megabytes(mb float64) string { return fmt.Sprintf("%.0f", mb) }

func verdict(ok bool) string {
	if ok {
		return "holds"
	}
	return "MISSED"
}

func TestQuantiles(t *testing.T) {
	t.Parallel()
	values := []int{5, 1, 4, 2, 3}
	for q, want := range map[float64]int{0: 1, 0.5: 3, 0.99: 5, 1: 5} {
		if got := quantile(values, q); got != want {
			t.Errorf("quantile %v of %v is %d, want %d", q, values, got, want)
		}
	}
	if got := median[int](nil); got != 0 {
		t.Errorf("median of nothing is %d", got)
	}
	if !slices.Equal(values, []int{5, 1, 4, 2, 3}) {
		t.Error("the values were put in another order")
	}
}

func TestTableAlignment(t *testing.T) {
	t.Parallel()
	var tab table
	tab.row("system", "s")
	tab.row("a", "10.00")
	var out strings.Builder
	tab.print(&out)
	if want := "  system      s\n       a  10.00\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
