// Package linediff compares two texts line by line.
package linediff

import "strings"

// The marks of lines in a comparison.
const (
	Same    = ""
	Added   = "added"
	Removed = "removed"
	Skipped = "skipped" // lines that are the same and not shown
)

// Line is a line of a comparison, or how many lines are not shown.
type Line struct {
	Mark     string
	Old, New int // numbers of the line, from 1; 0 if it is not there
	Text     string
	Skipped  int
}

const (
	context  = 3         // lines that are shown around each change
	maxPairs = 4_000_000 // pairs of lines that are compared; more of them are removed and added as a whole
)

// Lines compares two texts line by line.
func Lines(from, to string) []Line {
	a, b := linesOf(from), linesOf(to)
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	end := 0
	for end < len(a)-start && end < len(b)-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	var all []Line
	for i := range start {
		all = append(all, Line{Same, i + 1, i + 1, a[i], 0})
	}
	for _, d := range middle(a[start:len(a)-end], b[start:len(b)-end]) {
		if d.Old > 0 {
			d.Old += start
		}
		if d.New > 0 {
			d.New += start
		}
		all = append(all, d)
	}
	for i := end; i > 0; i-- {
		all = append(all, Line{Same, len(a) - i + 1, len(b) - i + 1, a[len(a)-i], 0})
	}
	return around(all)
}

func linesOf(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(strings.ReplaceAll(text, "\r\n", "\n"), "\n"), "\n")
}

// middle keeps the longest sequence of lines that both texts have.
func middle(a, b []string) (list []Line) {
	kept := func(int, int) int { return 0 }
	if len(a)*len(b) <= maxPairs {
		width := len(b) + 1
		longest := make([]int32, (len(a)+1)*width) // of the lines from i and j on
		for i := len(a) - 1; i >= 0; i-- {
			for j := len(b) - 1; j >= 0; j-- {
				if a[i] == b[j] {
					longest[i*width+j] = longest[(i+1)*width+j+1] + 1
				} else {
					longest[i*width+j] = max(longest[(i+1)*width+j], longest[i*width+j+1])
				}
			}
		}
		kept = func(i, j int) int { return int(longest[i*width+j]) }
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j] && kept(i, j) > 0:
			list = append(list, Line{Same, i + 1, j + 1, a[i], 0})
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || kept(i+1, j) >= kept(i, j+1)):
			list = append(list, Line{Removed, i + 1, 0, a[i], 0})
			i++
		default:
			list = append(list, Line{Added, 0, j + 1, b[j], 0})
			j++
		}
	}
	return list
}

// around leaves out lines that are far from every change.
func around(all []Line) (shown []Line) {
	near := make([]bool, len(all))
	for i, d := range all {
		if d.Mark == Same {
			continue
		}
		for k := max(0, i-context); k <= min(len(all)-1, i+context); k++ {
			near[k] = true
		}
	}
	for i, d := range all {
		if near[i] {
			shown = append(shown, d)
			continue
		}
		if last := len(shown) - 1; last >= 0 && shown[last].Mark == Skipped {
			shown[last].Skipped++
		} else {
			shown = append(shown, Line{Mark: Skipped, Skipped: 1})
		}
	}
	return shown
}
