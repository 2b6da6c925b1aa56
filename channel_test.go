package schoolbell_test

import (
	"strings"
	"testing"

	"schoolbell"
)

func TestValidNames(t *testing.T) {
	t.Parallel()
	check := func(kind string, word string, valid, want bool) {
		t.Helper()
		if valid != want {
			t.Errorf("%s %q: valid %v, want %v", kind, word, valid, want)
		}
	}
	for _, c := range schoolbell.Channels() {
		check("channel", string(c), c.Valid(), true)
	}
	for _, c := range schoolbell.BuiltInCategories() {
		check("category", string(c.ID), c.ID.Valid(), true)
		if err := c.Validate(); err != nil {
			t.Errorf("built-in category %s: %v", c.ID, err)
		}
	}
	for _, r := range schoolbell.Roles() {
		check("role", string(r), r.Valid(), true)
	}
	for _, k := range schoolbell.GroupKinds() {
		check("group kind", string(k), k.Valid(), true)
	}
	for _, word := range []string{"", "Email", "email ", "ad/min", strings.Repeat("x", 65)} {
		check("channel", word, schoolbell.Channel(word).Valid(), false)
		check("category", word, schoolbell.Category(word).Valid(), false)
		check("role", word, schoolbell.Role(word).Valid(), false)
		check("group kind", word, schoolbell.GroupKind(word).Valid(), false)
	}
}

func TestScopeAllows(t *testing.T) {
	t.Parallel()
	scopes := schoolbell.Scopes() // widest first
	for i, has := range scopes {
		for j, need := range scopes {
			if got, want := has.Allows(need), i <= j; got != want {
				t.Errorf("%s allows %s: %v, want %v", has, need, got, want)
			}
		}
		if schoolbell.Scope("").Allows(has) || schoolbell.Scope("root").Allows(has) {
			t.Errorf("an unknown scope allows %s", has)
		}
	}
}
