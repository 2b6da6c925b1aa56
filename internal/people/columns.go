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
	"addresses":   func(u *schoolbell.User) any { return &u.Addresses },
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
	case *[]schoolbell.Address:
		*into = splitAddresses(text)
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

// splitAddresses reads addresses of the form channel:address, as in
// "email:ada@example.org; sms:+442079460018". Text without a channel is a fault that
// the check of the user finds: the channel is empty then.
func splitAddresses(text string) []schoolbell.Address {
	out := []schoolbell.Address{}
	for _, part := range splitList[string](text) {
		channel, address, found := strings.Cut(part, ":")
		if !found {
			channel, address = "", part
		}
		out = append(out, schoolbell.Address{Channel: schoolbell.Channel(strings.TrimSpace(channel)), Address: strings.TrimSpace(address)})
	}
	return out
}

// setJSON puts a JSON value where it belongs, or says what it should have been.
func setJSON(into any, value json.RawMessage) (fault string) {
	if json.Unmarshal(value, into) == nil {
		return ""
	}
	switch into.(type) {
	case *string:
		return "must be a string"
	case *[]schoolbell.Address:
		return "must be a list of objects with channel and address"
	}
	return "must be a list of strings"
}
