package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"schoolbell"
	"schoolbell/internal/auth"
	"schoolbell/internal/ledger"
	"schoolbell/internal/web"
)

const (
	unsubscribePath = "/unsubscribe/"
	preferencesPath = "/preferences/"
	maxChoiceBytes  = 64 << 10 // of the forms by which people choose
)

// leaver is a person with a link that ends the messages of a category on a channel.
type leaver struct {
	user *schoolbell.User
	page web.Unsubscribe
	mode schoolbell.Mode // now
}

// showUnsubscribe asks whether to end the messages. It changes nothing: programs that check links for malware request
// them too.
func (s *Server) showUnsubscribe(w http.ResponseWriter, r *http.Request) {
	l, ok := s.leaver(w, r)
	if !ok {
		return
	}
	f := s.frame(r, l.user.Locale)
	switch {
	case l.page.Category.Mandatory:
		written(f.Locked(w, http.StatusOK, l.page))
	case l.mode == schoolbell.ModeOff:
		written(f.StoppedMessages(w, l.page))
	default:
		written(f.Stop(w, l.page))
	}
}

// unsubscribe ends the messages at once, or takes that back. Mail programs send the same request as the page (RFC 8058).
// The link is the authority, so a form on another site cannot do it: it would have to know the link. It may come again.
func (s *Server) unsubscribe(w http.ResponseWriter, r *http.Request) {
	l, ok := s.leaver(w, r)
	if !ok {
		return
	}
	f := s.frame(r, l.user.Locale)
	wanted := wantedMode(w, r)
	switch {
	case l.page.Category.Mandatory:
		written(f.Locked(w, http.StatusConflict, l.page))
		return
	case wanted == "":
		written(f.Failed(w, http.StatusBadRequest))
		return
	}
	wish := schoolbell.Preference{Category: l.page.Category.ID, Channel: l.page.Channel, Mode: wanted}
	if err := s.choose(r, l.user, "unsubscribe", l.changed(wish)...); err != nil {
		s.failPage(w, r, err)
		return
	}
	if wanted == schoolbell.ModeOff {
		written(f.StoppedMessages(w, l.page))
		return
	}
	l.page.Undone = true
	written(f.Stop(w, l.page))
}

// changed is a wish, if it is not what the person has already.
func (l leaver) changed(wish schoolbell.Preference) []schoolbell.Preference {
	if wish.Mode == l.mode {
		return nil
	}
	return []schoolbell.Preference{wish}
}

// leaver returns the person with the link of a request, or answers it.
func (s *Server) leaver(w http.ResponseWriter, r *http.Request) (l leaver, ok bool) {
	link, err := s.cfg.Links.OpenUnsubscribe(r.PathValue("token"))
	if err != nil {
		s.badLink(w, r, err)
		return l, false
	}
	if l, err = s.readLeaver(r.Context(), link); err != nil {
		s.failPage(w, r, err)
		return l, false
	}
	return l, true
}

// readLeaver reads what the link of a person leads to; CodeNotFound if there is no such person or category any more.
func (s *Server) readLeaver(ctx context.Context, link auth.UnsubscribeLink) (l leaver, err error) {
	if l.user, err = s.cfg.People.UserByNumber(ctx, link.User); err != nil {
		return l, err
	}
	categories, err := s.cfg.School.Categories(ctx)
	if err != nil {
		return l, err
	}
	wishes, err := s.cfg.People.Preferences(ctx, l.user.ID)
	if err != nil {
		return l, err
	}
	at := slices.IndexFunc(categories, func(c schoolbell.CategoryInfo) bool { return c.ID == link.Category })
	if at < 0 {
		return l, schoolbell.NotFound("category", string(link.Category))
	}
	l.page = web.Unsubscribe{Category: categories[at], Channel: link.Channel, Address: addressOn(l.user, link.Channel)}
	for _, c := range categories {
		if c.Mandatory {
			l.page.Always = append(l.page.Always, c)
		}
	}
	l.mode = modeOf(wishes, link.Category, link.Channel)
	l.page.Before = l.mode
	if l.mode == schoolbell.ModeOff {
		l.page.Before = schoolbell.ModeInstant
	}
	token, _ := s.cfg.Links.PreferencesToken(link.PreferencesLink) // a number that a link had
	l.page.Choices = ".." + preferencesPath + token
	return l, nil
}

// modeOf is how a person wants the messages of a category on a channel.
func modeOf(wishes []schoolbell.Preference, category schoolbell.Category, channel schoolbell.Channel) schoolbell.Mode {
	for _, w := range wishes {
		if w.Category == category && w.Channel == channel {
			return w.Mode
		}
	}
	return schoolbell.ModeInstant
}

// addressOn is the first address of a person on a channel that people can read; empty for none.
func addressOn(u *schoolbell.User, channel schoolbell.Channel) string {
	for _, a := range u.Addresses {
		if a.Channel == channel && channel != schoolbell.ChannelPush {
			return a.Address
		}
	}
	return ""
}

// wantedMode is what the body of a request asks for: off, the mode to return to, or nothing. Mail programs send a form in
// either encoding, and some name none.
func wantedMode(w http.ResponseWriter, r *http.Request) schoolbell.Mode {
	form := choiceForm(w, r)
	if undo := schoolbell.Mode(form.Get(web.UndoField)); undo != schoolbell.ModeOff && slices.Contains(schoolbell.Modes(), undo) {
		return undo
	}
	if strings.EqualFold(strings.TrimSpace(form.Get(web.StopField)), web.StopValue) {
		return schoolbell.ModeOff
	}
	return ""
}

// choiceForm reads a form, of which nothing is known but that it is small. It is empty if it cannot be read.
func choiceForm(w http.ResponseWriter, r *http.Request) url.Values {
	r.Body = http.MaxBytesReader(w, r.Body, maxChoiceBytes)
	if err := r.ParseMultipartForm(maxChoiceBytes); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return nil
	}
	if len(r.PostForm) > 0 {
		return r.PostForm
	}
	text, err := io.ReadAll(r.Body) // of a type that is no form, or of none
	if err != nil {
		return nil
	}
	form, _ := url.ParseQuery(strings.TrimSpace(string(text))) // what can be read of it
	return form
}

// choose stores wishes of the person with a link, in the name of that person. Without wishes it changes nothing.
func (s *Server) choose(r *http.Request, u *schoolbell.User, page string, wishes ...schoolbell.Preference) error {
	if len(wishes) == 0 {
		return nil
	}
	return s.cfg.People.PutPreferences(s.choosing(r, u, "user.put_preferences", page), u.ID, wishes)
}

// choosing returns the context of a change that the person with a link makes on a page.
func (s *Server) choosing(r *http.Request, u *schoolbell.User, action, page string) context.Context {
	p := auth.Principal{Kind: schoolbell.ActorUser, ID: u.ID, Grants: auth.Grants{User: u.ID}}
	return ledger.WithChange(auth.WithPrincipal(r.Context(), p), ledger.NewChange(schoolbell.AuditEntry{At: s.cfg.Clock(), Actor: p.Actor(),
		Action: action, Target: schoolbell.Target{Kind: "user", ID: u.ID}, Address: s.rates.address(r), Changes: map[string]any{"page": page}}))
}

// badLink answers a request whose link is not good.
func (s *Server) badLink(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, auth.ErrLinkExpired) {
		written(s.frame(r).EndedLink(w))
		return
	}
	written(s.frame(r).UnknownLink(w))
}

// hideToken returns a path without the token of a page for people; "" for a path that has none.
func hideToken(path string) string {
	first := -1
	for _, page := range []string{messagePath, unsubscribePath, preferencesPath, calendarPath} {
		if at := strings.Index(path, page); at >= 0 && (first < 0 || at+len(page) < first) {
			first = at + len(page)
		}
	}
	if first < 0 {
		return ""
	}
	return path[:first] + hiddenSegment
}
