package app

import (
	"strings"

	"schoolbell/internal/auth"
	"schoolbell/internal/ledger"
)

// messageLink returns the URL at which a recipient sees a message: that of MESSAGE_URL if it is
// set, else that of the message page of this installation.
func (r *Runtime) messageLink(eventID string, to ledger.Recipient) string {
	if link := r.Config.HTTP.MessageLink(eventID, to.UserID); link != "" {
		return link
	}
	base := strings.TrimRight(r.Config.HTTP.PublicURL, "/")
	token, ok := r.Links.Token(auth.MessageLink{EventID: eventID, User: to.Seq})
	if !ok {
		return base + "/"
	}
	return base + "/m/" + token
}
