package web

import (
	"html/template"
	"net/http"
	"unicode"
	"unicode/utf8"

	"schoolbell"
)

var (
	stopTemplate    = parse("stop.html")
	stoppedTemplate = parse("stopped.html")
	lockedTemplate  = parse("locked.html")
)

// The fields of the forms that end messages and take that back. The first is that of RFC 8058, which mail programs send.
const (
	StopField = "List-Unsubscribe"
	StopValue = "One-Click"
	UndoField = "undo" // its value is a mode
)

// Unsubscribe is what the pages show that end the messages of a category on a channel.
type Unsubscribe struct {
	Category schoolbell.CategoryInfo
	Channel  schoolbell.Channel
	Address  string                    // of the person on the channel; empty for none
	Always   []schoolbell.CategoryInfo // those that cannot be ended
	Choices  string                    // relative URL of the preference page
	Before   schoolbell.Mode           // which Undo restores
	Undone   bool                      // the person has just pressed Undo
}

// unsubscribeView is what the templates see.
type unsubscribeView struct {
	Unsubscribe
	Title      string
	Text       string // of the page about messages that cannot be ended
	AlwaysText string // which messages still come; empty for none
}

// Stop answers with the page that asks whether to end the messages.
func (f Frame) Stop(w http.ResponseWriter, u Unsubscribe) error {
	return f.unsubscribe(w, http.StatusOK, stopTemplate, f.Words.StopTitle, u)
}

// StoppedMessages answers that the messages have ended, with a button that takes it back.
func (f Frame) StoppedMessages(w http.ResponseWriter, u Unsubscribe) error {
	return f.unsubscribe(w, http.StatusOK, stoppedTemplate, f.Words.StoppedTitle, u)
}

// Locked answers that the messages cannot be ended.
func (f Frame) Locked(w http.ResponseWriter, status int, u Unsubscribe) error {
	return f.unsubscribe(w, status, lockedTemplate, f.Words.LockedTitle, u)
}

func (f Frame) unsubscribe(w http.ResponseWriter, status int, page *template.Template, title string, u Unsubscribe) error {
	words := f.Words
	say := func(text string) string {
		return capital(fill(text, "messages", words.messages(u.Channel), "what", words.about(u.Category)))
	}
	v := unsubscribeView{Unsubscribe: u, Title: say(title), Text: say(words.LockedText)}
	if len(u.Always) > 0 {
		var names []string
		for _, c := range u.Always {
			names = append(names, words.category(c))
		}
		v.AlwaysText = fill(words.StopAlways, "categories", words.language.Join(names))
	}
	return f.write(w, status, page, v.Title, v)
}

// capital begins a text with a capital letter: in some languages it begins with a word that is filled in.
func capital(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToTitle(first)) + s[size:]
}
