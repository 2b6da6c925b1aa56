package site

import "strings"

// languageNames are the names of frequent languages.
var languageNames = map[string]string{"ar": "Arabic", "bn": "Bengali", "de": "German", "el": "Greek", "en": "English", "es": "Spanish", "fa": "Persian", "fr": "French",
	"hi": "Hindi", "it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch", "pa": "Punjabi", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian",
	"so": "Somali", "sv": "Swedish", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese", "zh": "Chinese"}

// LanguageName is a language as the panel writes it: Spanish, Portuguese (pt-BR), or the tag.
func LanguageName(tag string) string {
	base, _, regional := strings.Cut(tag, "-")
	name := languageNames[base]
	switch {
	case name == "":
		return tag
	case regional:
		return name + " (" + tag + ")"
	}
	return name
}
