package people

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"schoolbell"
)

// columns are the fields of an imported user: for each name, where its value goes.
var columns = map[string]func(*schoolbell.User) any{
	"id":          func(u *schoolbell.User) any { return &u.ID },
	"name":        func(u *schoolbell.User) any { return &u.Name },
	"email":       func(u *schoolbell.User) any { return &u.Email },
	"phone":       func(u *schoolbell.User) any { return &u.Phone },
	"roles":       func(u *schoolbell.User) any { return &u.Roles },
	"groups":      func(u *schoolbell.User) any { return &u.Groups },
	"locale":      func(u *schoolbell.User) any { return &u.Locale },
	"timezone":    func(u *schoolbell.User) any { return &u.Timezone },
	"guardian_of": func(u *schoolbell.User) any { return &u.GuardianOf },
}

func columnNames() string { return strings.Join(slices.Sorted(maps.Keys(columns)), ", ") }

// setText puts the text of a CSV field where it belongs.
func setText(into any, text string) {
	switch into := into.(type) {
	case *string:
		*into = text
	case *[]string:
		*into = splitList[string](text)
	case *[]schoolbell.Role:
		*into = splitList[schoolbell.Role](text)
	}
}

func splitList[T ~string](text string) []T {
	var out []T
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ';' || r == '|' }) {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, T(part))
		}
	}
	return out
}

// setJSON puts a JSON value where it belongs, or says what it should have been.
func setJSON(into any, value json.RawMessage) (fault string) {
	if json.Unmarshal(value, into) == nil {
		return ""
	}
	if _, text := into.(*string); text {
		return "must be a string"
	}
	return "must be a list of strings"
}
