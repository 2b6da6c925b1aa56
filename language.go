package schoolbell

import (
	"errors"
	"regexp"
	"strings"
)

// maxLanguageLength is in bytes; the longest registered tags have 12, and RFC 5646
// §4.4.1 names 35 as what every program must take.
const maxLanguageLength = 35

var languagePattern = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)

// ValidateLanguage reports why tag has not the form of a language tag (BCP 47) such
// as en or pt-BR.
func ValidateLanguage(tag string) error {
	if len(tag) > maxLanguageLength || !languagePattern.MatchString(tag) {
		return errors.New("must be a language tag such as en or pt-BR")
	}
	return nil
}

// NormalizeLanguage writes a language tag as it is usually written (RFC 5646 §2.1.1): es, pt-BR, zh-Hant.
func NormalizeLanguage(tag string) string {
	parts := strings.Split(strings.ToLower(tag), "-")
	for i, p := range parts[1:] {
		switch len(p) {
		case 2:
			parts[i+1] = strings.ToUpper(p)
		case 4:
			parts[i+1] = strings.ToUpper(p[:1]) + p[1:]
		}
	}
	return strings.Join(parts, "-")
}
