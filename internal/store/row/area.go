package row

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"schoolbell"
)

// Area returns the key of the groups to which an account is limited, and the groups as JSON. Both are empty for no groups. The same
// groups have the same key, in any order, so that events need not name them again.
func Area(groups []string) (key, list string) {
	if len(groups) == 0 {
		return "", ""
	}
	text, err := json.Marshal(slices.Compact(slices.Sorted(slices.Values(groups))))
	if err != nil {
		panic(err) // strings cannot fail
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16]), string(text)
}

// UnknownStaffGroups returns a fault for the groups of a staff account that do not exist, or nil.
func UnknownStaffGroups(unknown []string) error {
	var f schoolbell.Faults
	for _, id := range unknown {
		f.Add("groups", "no group %q", id)
	}
	return f.Err()
}
