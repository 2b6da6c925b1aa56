package auth

import (
	"bytes"
	"time"

	"schoolbell"
)

// ChoiceLinkTTL is how long links to the preference page and links that unsubscribe are good at least. They end with the
// day in UTC. Laws ask for 30 or 60 days; people also look for them in the messages of the last school year.
const ChoiceLinkTTL = 400 * linkDay

// The claims of a link to the preference page are those of appendUserUntil. A link that unsubscribes has the category, a
// slash and the channel after them.
const choiceClaims = 6 + 2

// PreferencesLink is what the token of a link to the preference page stands for.
type PreferencesLink struct {
	User  int64     // number of the person in the ledger
	Until time.Time // to make one: a moment of its last day, zero for that after [ChoiceLinkTTL]
}

// UnsubscribeLink is what the token of a link that unsubscribes stands for.
type UnsubscribeLink struct {
	PreferencesLink
	Category schoolbell.Category
	Channel  schoolbell.Channel
}

// PreferencesToken returns the token of a link. It is the same all day. ok is false for a number that the ledger does not
// give out.
func (l *Links) PreferencesToken(link PreferencesLink) (token string, ok bool) {
	b, ok := l.appendChoice(make([]byte, 0, choiceClaims+linkMACBytes), link)
	if !ok {
		return "", false
	}
	return l.preferences.seal(b), true
}

// UnsubscribeToken is PreferencesToken for a link that unsubscribes.
func (l *Links) UnsubscribeToken(link UnsubscribeLink) (token string, ok bool) {
	b, ok := l.appendChoice(make([]byte, 0, choiceClaims+len(link.Category)+1+len(link.Channel)+linkMACBytes), link.PreferencesLink)
	if !ok || link.Category == "" || link.Channel == "" {
		return "", false
	}
	b = append(append(append(b, link.Category...), '/'), link.Channel...) // neither has a slash
	return l.unsubscribe.seal(b), true
}

func (l *Links) appendChoice(b []byte, link PreferencesLink) (claims []byte, ok bool) {
	until := link.Until
	if until.IsZero() {
		until = l.now().Add(ChoiceLinkTTL)
	}
	return appendUserUntil(b, link.User, until), validLinkUser(link.User)
}

// OpenPreferences returns what a token stands for, or [ErrLinkInvalid] or [ErrLinkExpired].
func (l *Links) OpenPreferences(token string) (PreferencesLink, error) {
	b, ok := l.preferences.open(token)
	if !ok || len(b) != choiceClaims {
		return PreferencesLink{}, ErrLinkInvalid
	}
	return l.choice(b)
}

// OpenUnsubscribe is OpenPreferences for a link that unsubscribes.
func (l *Links) OpenUnsubscribe(token string) (UnsubscribeLink, error) {
	b, ok := l.unsubscribe.open(token)
	if !ok || len(b) < choiceClaims {
		return UnsubscribeLink{}, ErrLinkInvalid
	}
	category, channel, ok := bytes.Cut(b[choiceClaims:], []byte("/"))
	if !ok {
		return UnsubscribeLink{}, ErrLinkInvalid
	}
	link, err := l.choice(b)
	if err != nil {
		return UnsubscribeLink{}, err
	}
	return UnsubscribeLink{PreferencesLink: link, Category: schoolbell.Category(category), Channel: schoolbell.Channel(channel)}, nil
}

// choice reads what appendChoice wrote.
func (l *Links) choice(b []byte) (PreferencesLink, error) {
	user, end := userUntil(b)
	if !l.now().Before(end) {
		return PreferencesLink{}, ErrLinkExpired
	}
	return PreferencesLink{User: user, Until: end.Add(-time.Second)}, nil
}
