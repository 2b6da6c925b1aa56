package schoolbell_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
)

const fullAudience = `{"roles":["parent"],"groups":["7b"],"users":["ada"],` +
	`"guardians_of":{"groups":["8a"]},"exclude":{"users":["bob"]}}`

func TestAudienceJSON(t *testing.T) {
	t.Parallel()
	want := schoolbell.Audience{
		Selector:    schoolbell.Selector{Roles: []schoolbell.Role{"parent"}, Groups: []string{"7b"}, Users: []string{"ada"}},
		GuardiansOf: &schoolbell.Selector{Groups: []string{"8a"}},
		Exclude:     &schoolbell.Selector{Users: []string{"bob"}},
	}
	var got schoolbell.Audience
	if err := json.Unmarshal([]byte(fullAudience), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	text, err := json.Marshal(want)
	if err != nil || string(text) != fullAudience {
		t.Errorf("written as %s, %v", text, err)
	}
	if text, err := json.Marshal(schoolbell.Audience{}); err != nil || string(text) != "{}" {
		t.Errorf("an empty one is written as %s, %v", text, err)
	}
}

func TestSelectorEmpty(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		s    *schoolbell.Selector
		want bool
	}{
		{"nothing at all", nil, true},
		{"no names", &schoolbell.Selector{Roles: []schoolbell.Role{}}, true},
		{"a role", &schoolbell.Selector{Roles: []schoolbell.Role{"staff"}}, false},
		{"a group", &schoolbell.Selector{Groups: []string{"7b"}}, false},
		{"a user", &schoolbell.Selector{Users: []string{"ada"}}, false},
	} {
		if got := c.s.Empty(); got != c.want {
			t.Errorf("%s: empty %v", c.name, got)
		}
	}
}

func FuzzAudienceJSON(f *testing.F) {
	for _, s := range []string{fullAudience, "{}", `{"roles":null}`, `{"guardians_of":{}}`, `{"users":["é","é"]}`, `[]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		dec := json.NewDecoder(strings.NewReader(text))
		dec.DisallowUnknownFields()
		var a schoolbell.Audience
		if dec.Decode(&a) != nil {
			return
		}
		e := sportsDay(func(e *schoolbell.Event) { e.Audience = a })
		e.Normalize()
		valid := e.Validate(now) == nil
		written, err := json.Marshal(e.Audience)
		if err != nil {
			t.Fatal(err)
		}
		again := sportsDay(func(e *schoolbell.Event) { e.Audience = schoolbell.Audience{} })
		if err := json.Unmarshal(written, &again.Audience); err != nil {
			t.Fatalf("%s cannot be read back: %v", written, err)
		}
		again.Normalize()
		if (again.Validate(now) == nil) != valid {
			t.Errorf("valid %v, but not after a round trip through %s", valid, written)
		}
		if twice, err := json.Marshal(again.Audience); err != nil || string(twice) != string(written) {
			t.Errorf("%s became %s, %v", written, twice, err)
		}
	})
}
