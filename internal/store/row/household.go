package row

import (
	"maps"
	"slices"

	"schoolbell/internal/ledger"
)

// HouseholdCandidates returns the fingerprints of messages, sorted, and the first user of each.
func HouseholdCandidates(messages []ledger.HouseholdMessage) (fingerprints, users []int64) {
	first := make(map[int64]int64, len(messages))
	for _, m := range messages {
		if _, ok := first[m.Fingerprint]; !ok {
			first[m.Fingerprint] = m.User
		}
	}
	fingerprints = slices.Sorted(maps.Keys(first))
	for _, f := range fingerprints {
		users = append(users, first[f])
	}
	return fingerprints, users
}
