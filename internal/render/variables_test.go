package render

import (
	"maps"
	"slices"
	"testing"

	"schoolbell"
	"schoolbell/internal/locale"
)

// Everything that a template may name is explained, and nothing else.
func TestVariables(t *testing.T) {
	t.Parallel()
	explained := map[string]bool{"data.reason": false}
	for _, v := range variables {
		explained[v.Name] = true
	}
	known := slices.Collect(maps.Keys(names.Kinds))
	for _, list := range names.Lists {
		known = slices.AppendSeq(known, maps.Keys(list.Kinds))
	}
	for _, name := range append(known, "data.reason") {
		if !explained[name] {
			t.Errorf("%s is not explained", name)
		}
		delete(explained, name)
	}
	for name := range explained {
		t.Errorf("%s is explained and not known", name)
	}
	c, err := newCompiler(locale.For("en"), brandOf(schoolbell.SchoolSettings{}))
	if err != nil {
		t.Fatal(err)
	}
	included := map[string]bool{}
	for _, p := range parts {
		included[p.Name] = true
		if c.htmlParts[p.Name] == nil && c.textParts[p.Name] == nil {
			t.Errorf("the part %s is not known", p.Name)
		}
	}
	for name := range maps.All(c.htmlParts) {
		if !included[name] {
			t.Errorf("the part %s is not explained", name)
		}
	}
}
