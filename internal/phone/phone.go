// Package phone writes phone numbers in the international format (E.164).
package phone

import (
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// ValidRegion reports whether there are national phone numbers of a region, which is named by its ISO 3166-1 code in capitals,
// such as GB.
func ValidRegion(region string) bool { return phonenumbers.GetSupportedRegions()[region] }

// International returns a number of a region in the international format. A number that is international already, or that is
// none of the region, stays as it is.
func International(number, region string) string {
	if number == "" || strings.HasPrefix(number, "+") {
		return number
	}
	parsed, err := phonenumbers.Parse(number, region)
	if err != nil || !phonenumbers.IsValidNumber(parsed) {
		return number
	}
	return phonenumbers.Format(parsed, phonenumbers.E164)
}
