package app

import (
	"strings"

	"schoolbell"
	"schoolbell/internal/auth"
	"schoolbell/internal/ledger"
	"schoolbell/internal/render"
)

// messageLink returns the URL at which a recipient sees a message: that of MESSAGE_URL if it is
// set, else that of the message page of this installation.
func (r *Runtime) messageLink(eventID string, to ledger.Recipient) string {
	if link := r.Config.HTTP.MessageLink(eventID, to.UserID); link != "" {
		return link
	}
	token, ok := r.Links.Token(auth.MessageLink{EventID: eventID, User: to.Seq})
	return r.pageURL("m", token, ok)
}

// choices are the links to the preference page and to the page that unsubscribes, if people can reach this server: with
// MESSAGE_URL, only the school's own application may be public.
func (r *Runtime) choices() render.Choices {
	if r.Config.HTTP.MessageURL != "" && !r.Config.Set("PUBLIC_URL") {
		return nil
	}
	return choiceLinks{r}
}

type choiceLinks struct{ *Runtime }

// Preferences implements render.Choices.
func (r choiceLinks) Preferences(to ledger.Recipient) string {
	token, ok := r.Links.PreferencesToken(auth.PreferencesLink{User: to.Seq})
	return r.pageURL("preferences", token, ok)
}

// Unsubscribe implements render.Choices.
func (r choiceLinks) Unsubscribe(category schoolbell.Category, channel schoolbell.Channel, to ledger.Recipient) string {
	token, ok := r.Links.UnsubscribeToken(auth.UnsubscribeLink{PreferencesLink: auth.PreferencesLink{User: to.Seq}, Category: category, Channel: channel})
	return r.pageURL("unsubscribe", token, ok)
}

// pageURL returns the URL of a page for people; without a token, that of the server.
func (r *Runtime) pageURL(page, token string, ok bool) string {
	base := strings.TrimRight(r.Config.HTTP.PublicURL, "/") + "/"
	if !ok {
		return base
	}
	return base + page + "/" + token
}
