package schoolbell_test

import (
	"slices"
	"testing"

	"schoolbell"
)

func TestListedWordsAreValidAndOthersNot(t *testing.T) {
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
	for _, c := range schoolbell.Categories() {
		check("category", string(c), c.Valid(), true)
	}
	for _, r := range schoolbell.Roles() {
		check("role", string(r), r.Valid(), true)
	}
	for _, k := range schoolbell.GroupKinds() {
		check("group kind", string(k), k.Valid(), true)
	}
	for _, word := range []string{"", "Email", "email ", "admin"} {
		check("channel", word, schoolbell.Channel(word).Valid(), false)
		check("category", word, schoolbell.Category(word).Valid(), false)
		check("role", word, schoolbell.Role(word).Valid(), false)
		check("group kind", word, schoolbell.GroupKind(word).Valid(), false)
	}
}

func TestPreferenceRefusesMandatoryOptOuts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		p    schoolbell.Preference
		want []string
	}{
		{"opting out of announcements by email", schoolbell.Preference{Category: "announcement", Channel: "email", OptedOut: true}, nil},
		{"opting in again", schoolbell.Preference{Category: "urgent", Channel: "in_app"}, nil},
		{"opting out of urgent messages", schoolbell.Preference{Category: "urgent", Channel: "email", OptedOut: true}, []string{"category"}},
		{"opting out of attendance", schoolbell.Preference{Category: "attendance", Channel: "sms", OptedOut: true}, []string{"category"}},
		{"opting out of the inbox", schoolbell.Preference{Category: "event", Channel: "in_app", OptedOut: true}, []string{"channel"}},
		{"words nobody knows", schoolbell.Preference{Category: "x", Channel: "y"}, []string{"category", "channel"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := fields(t, c.p.Validate()); !slices.Equal(got, c.want) {
				t.Errorf("faults in %q, want %q", got, c.want)
			}
		})
	}
}

func TestScopeAllowsItselfAndWhatIsNarrower(t *testing.T) {
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
