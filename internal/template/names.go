package template

import (
	"slices"
	"strings"
)

// Kind is what a name stands for, and so where it may stand.
type Kind int

const (
	Line  Kind = iota // one line of text
	Block             // text with line breaks and empty lines; HTML: paragraphs with links
	URL               // http or https address made by Schoolbell
	List              // lists of entries: for {{#each}} and {{#if}}; its own value joins the names of its entries
)

// Names are the names that a template may use.
type Names struct {
	Kinds map[string]Kind  // of each name, such as "event.title"
	Lists map[string]Names // names of the entries of a list, within {{#each}} over it: such as "name" of "students"

	// Open are prefixes of names that callers choose, such as "data.". Each is a Line.
	Open []string
}

// kind returns what a name stands for; list is the name of the list whose {{#each}} it stands in, or empty. ofEntry means
// that it is a name of the list's entries.
func (n *Names) kind(name, list string) (k Kind, ofEntry, ok bool) {
	entry := n.Lists[list]
	if k, ok := entry.own(name); ok {
		return k, true, true
	}
	k, ok = n.own(name)
	return k, false, ok
}

// own is kind without lists.
func (n *Names) own(name string) (Kind, bool) {
	if k, ok := n.Kinds[name]; ok {
		return k, true
	}
	for _, prefix := range n.Open {
		if key, ok := strings.CutPrefix(name, prefix); ok && validKey(key) {
			return Line, true
		}
	}
	return 0, false
}

// validKey reports whether a caller may choose this key.
func validKey(key string) bool {
	return key != "" && len(key) <= maxKey && !strings.ContainsFunc(key, func(c rune) bool {
		return c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9')
	})
}

// nearest returns the known name that is most like name, or "" if none is like it.
func (n *Names) nearest(name, list string) string {
	var known []string
	for k := range n.Lists[list].Kinds {
		known = append(known, k)
	}
	for k := range n.Kinds {
		known = append(known, k)
	}
	slices.Sort(known) // so that the same mistake always gets the same answer
	return Nearest(name, known)
}

// Nearest returns the one of known that is most like name, or "" if none is like it: most of the letters must agree.
func Nearest(name string, known []string) string {
	best, most := "", max(1, len(name)/3)+1
	for _, k := range known {
		if d := distance(name, k, most); d < most {
			best, most = k, d
		}
	}
	return best
}

// distance returns how many letters must be inserted, deleted, replaced or swapped with their neighbour to make b of a
// (optimal string alignment), or limit if it is more.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit || len(a) > maxName {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit)
}
