package web

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"schoolbell"
	"schoolbell/internal/locale"
)

// Words are the words of the pages in one language, and its customs. What the school has written is in languages of its own.
type Words struct {
	Urgent, Cancelled, CancelledText string

	When, Where                string
	Ask, Acknowledge, MarkRead string // above the button, and on it
	SaysAcknowledged, SaysRead string // after it
	Personal                   string // below the message
	UnknownTitle, UnknownText  string
	EndedTitle, EndedText      string
	FailedTitle, FailedText    string

	StopTitle, StoppedTitle string // with {messages} and {what}
	StopFor                 string // before an address
	StopText                string
	StopAlways              string // with {categories}
	StopButton              string
	ChooseButton            string
	Stopped, StoppedText    string
	Undo, Undone            string
	LockedTitle, LockedText string // with {what}

	ChoicesTitle, Skip          string
	ChoicesHeading, ChoicesText string
	Category, AlwaysOn          string
	Save, Saved, NotSaved       string
	AddressesHeading            string
	AddressesText               string
	SMSStopped                  string // with {number}
	Faulty                      string // above a form with faults

	DigestHeading, DigestText                                                 string
	DigestDay, EveryDay, DigestAt                                             string
	QuietHeading, QuietSwitch, QuietText                                      string
	QuietFrom, QuietTo                                                        string
	Zone                                                                      string // with {zone}
	TimeFault, SameFault                                                      string
	LanguageHeading, LanguageLabel                                            string
	LanguageText                                                              string
	LanguageName                                                              string // of this language, in it
	CalendarHeading, CalendarText                                             string
	CalendarStart, CalendarAdd, CalendarAddress, CalendarSecret, CalendarStop string
	CalendarStarted, CalendarStopped                                          string

	Quoted     string                         // a {name} that the school has given
	Messages   map[schoolbell.Channel]string  // what comes on a channel
	About      map[schoolbell.Category]string // what the messages of a built-in category are about
	Categories map[schoolbell.Category]string // names of the built-in categories
	Hints      map[schoolbell.Category]string // what comes in them
	Channels   map[schoolbell.Channel]string  // names of the channels
	Modes      map[schoolbell.Mode]string
	Weekdays   map[schoolbell.Weekday]string

	language *locale.Language
}

//go:embed words/*.json
var wordFiles embed.FS

// wordsOf are the words in each language, and in English as in the United States.
var wordsOf = loadWords()

func loadWords() map[*locale.Language]*Words {
	all := map[*locale.Language]*Words{}
	for _, l := range append(locale.Languages(), locale.For("en-US")) {
		text, err := wordFiles.ReadFile(path.Join("words", l.Tag+".json"))
		if err != nil {
			panic(err) // shows when the program is built and tested
		}
		w := &Words{language: l}
		strict := json.NewDecoder(bytes.NewReader(text))
		strict.DisallowUnknownFields()
		if err := strict.Decode(w); err != nil {
			panic(fmt.Sprintf("words of %s: %v", l.Tag, err))
		}
		all[l] = w
	}
	return all
}

// WordsFor returns the words in the first of the languages, which are BCP 47 tags, that there are words in, or English
// ones.
func WordsFor(tags ...string) *Words { return wordsOf[locale.For(tags...)] }

// Tag is the language, BCP 47.
func (w *Words) Tag() string { return w.language.Tag }

// Dir is the direction of the writing, ltr or rtl.
func (w *Words) Dir() string { return w.language.Dir() }

// about is what the messages of a category are about.
func (w *Words) about(c schoolbell.CategoryInfo) string {
	if word := w.About[c.ID]; word != "" && !renamed(c) {
		return word
	}
	return fill(w.Quoted, "name", c.Name)
}

// category is the name of a category.
func (w *Words) category(c schoolbell.CategoryInfo) string {
	if word := w.Categories[c.ID]; word != "" && !renamed(c) {
		return word
	}
	return isolated(c.Name)
}

// builtInNames are the names of the built-in categories of a new ledger. A school may have changed them.
var builtInNames = func() map[schoolbell.Category]string {
	names := map[schoolbell.Category]string{}
	for _, c := range schoolbell.BuiltInCategories() {
		names[c.ID] = c.Name
	}
	return names
}()

func renamed(c schoolbell.CategoryInfo) bool { return c.Name != builtInNames[c.ID] }

// messages are what comes on a channel.
func (w *Words) messages(c schoolbell.Channel) string {
	if word := w.Messages[c]; word != "" {
		return word
	}
	return fill(w.Quoted, "name", string(c))
}

// fill writes values into a text in place of {name}. Values are not filled in again: none of ours has braces, and the
// name that a school has given comes last.
func fill(text string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		text = strings.ReplaceAll(text, "{"+pairs[i]+"}", pairs[i+1])
	}
	return text
}

// leftToRight keeps a text together that is written from left to right, such as a phone number.
func leftToRight(s string) string { return "\u2066" + s + "\u2069" }

// isolated keeps a text together whose direction is not known (Unicode Annex 9, isolates).
func isolated(s string) string { return "\u2068" + s + "\u2069" }
