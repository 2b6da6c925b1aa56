package config

import (
	"errors"
	"net/url"
	"strings"
)

// The places of a MESSAGE_URL.
const (
	placeEvent = "{event}"
	placeUser  = "{user}"
)

// MessageLink returns the URL of a message on the page that MESSAGE_URL names; "" if it names none.
// The ids are escaped, so that each stays within its part of the path or the query.
func (h *HTTP) MessageLink(eventID, userID string) string {
	if h.MessageURL == "" {
		return ""
	}
	// An escaped value has no braces, so it cannot be taken for a place.
	link := strings.ReplaceAll(h.MessageURL, placeEvent, url.QueryEscape(eventID))
	return strings.ReplaceAll(link, placeUser, strings.ReplaceAll(url.QueryEscape(userID), "+", "%20"))
}

// EventLink is MessageLink where MESSAGE_URL is the same for all recipients; "" if it is not.
func (h *HTTP) EventLink(eventID string) string {
	if strings.Contains(h.MessageURL, placeUser) {
		return ""
	}
	return h.MessageLink(eventID, "")
}

// isPlainURL reports whether a URL can stand in every header and document as it is. A host in another script is written
// as xn--….
func isPlainURL(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(`"<>`, c) })
}

func checkMessageURL(template string) error {
	if !strings.Contains(template, placeEvent) {
		return errors.New("must contain {event}, such as https://app.example/messages/{event}")
	}
	filled := strings.NewReplacer(placeEvent, "e", placeUser, "u").Replace(template)
	if strings.ContainsAny(filled, "{}") {
		return errors.New("has another place than {event} and {user}")
	}
	u, err := url.Parse(template) // which refuses places in the host
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.ContainsAny(template, " \t\r\n\"<>") {
		return errors.New("must be an address such as https://app.example/messages/{event}")
	}
	return nil
}
