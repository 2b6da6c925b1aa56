package site

import "schoolbell"

const namedAtMost = 3 // groups or people; more are counted

// AudienceWords says whom an audience picks.
func AudienceWords(a schoolbell.Audience) string {
	parts := selectorWords(&a.Selector)
	if !a.GuardiansOf.Empty() {
		parts = append(parts, "guardians of "+Join(selectorWords(a.GuardiansOf)))
	}
	words := Join(parts)
	if !a.Exclude.Empty() {
		words += ", without " + Join(selectorWords(a.Exclude))
	}
	if words == "" {
		return "those who have items of it"
	}
	return words
}

func selectorWords(s *schoolbell.Selector) (words []string) {
	if s == nil {
		return nil
	}
	for _, r := range s.Roles {
		words = append(words, RoleWord(r))
	}
	switch n := len(s.Groups); {
	case n == 0:
	case n <= namedAtMost:
		words = append(words, s.Groups...)
	default:
		words = append(words, Count(n, "group", "groups"))
	}
	if n := len(s.Users); n > 0 {
		words = append(words, Count(n, "person", "people"))
	}
	return words
}
