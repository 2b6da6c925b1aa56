package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"schoolbell"
	"schoolbell/internal/auth"
	"schoolbell/internal/ledger"
	"schoolbell/internal/web"
)

// Links is what the API needs to know whom a link in a message is for.
type Links interface {
	Open(token string) (auth.MessageLink, error)
	OpenPreferences(token string) (auth.PreferencesLink, error)
	OpenUnsubscribe(token string) (auth.UnsubscribeLink, error)
	PreferencesToken(link auth.PreferencesLink) (token string, ok bool)
	CalendarToken(feed ledger.CalendarFeed) (token string, ok bool)
	OpenCalendar(token string) (ledger.CalendarFeed, error)
}

// Messages is what the API needs of single messages.
type Messages interface {
	Message(ctx context.Context, eventID string, user int64) (ledger.PersonalMessage, error)
	Mark(ctx context.Context, eventID string, user int64, done schoolbell.Outcome) error
}

const (
	messagePath   = "/m/"
	maxMarkBytes  = 4 << 10 // of the form of a message page
	messageRoot   = "../"   // from a message page to the root of the server, which a proxy may have moved
	hiddenSegment = "…"
)

// mountPages mounts the pages for people and their static files. They are not part of the API, so its document leaves
// them out.
func (s *Server) mountPages() {
	if s.cfg.Links == nil || s.cfg.Messages == nil {
		return
	}
	s.mux.HandleFunc("GET "+messagePath+"{token}", s.showMessage)
	s.mux.HandleFunc("POST "+messagePath+"{token}", s.markMessage)
	s.mux.HandleFunc("GET "+preferencesPath+"{token}", s.showChoices)
	s.mux.HandleFunc("POST "+preferencesPath+"{token}", s.putChoices)
	s.mux.HandleFunc("GET "+unsubscribePath+"{token}", s.showUnsubscribe)
	s.mux.HandleFunc("POST "+unsubscribePath+"{token}", s.unsubscribe)
	s.mux.HandleFunc("GET "+calendarPath+"{file}", s.showCalendar)
}

// showMessage shows a message to the person with its link. It changes nothing: programs that check
// links for malware request them too.
func (s *Server) showMessage(w http.ResponseWriter, r *http.Request) {
	link, ok := s.openLink(w, r)
	if !ok {
		return
	}
	m, err := s.cfg.Messages.Message(r.Context(), link.EventID, link.User)
	if err != nil {
		s.failPage(w, r, err)
		return
	}
	school := s.cfg.Settings.Current()
	f := s.frame(r, m.Locale)
	said, language := m.Event.In(cmp.Or(m.Locale, school.Language))
	written(f.Message(w, web.Message{
		Title: said.Title, Body: said.Body, Language: cmp.Or(language, school.Language),
		Urgent: m.Event.Lane == schoolbell.LaneUrgent, Cancelled: m.Event.Cancelled(),
		SentAt: sentAt(m.Event), StartsAt: m.Event.StartsAt, EndsAt: m.Event.EndsAt, Zone: zoneOf(m.Timezone, school.Timezone), Place: said.Location,
		Done: m.Outcome(), Asks: asks(m.Event),
	}))
}

// markMessage notes that the person with the link read or acknowledged the message. The link is
// the authority, so a form on another site cannot do it: it would have to know the link.
func (s *Server) markMessage(w http.ResponseWriter, r *http.Request) {
	link, ok := s.openLink(w, r)
	if !ok {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxMarkBytes)
	done := schoolbell.Outcome(r.PostFormValue(web.MarkField))
	if done != schoolbell.OutcomeRead && done != schoolbell.OutcomeAcknowledged {
		written(s.frame(r).Failed(w, http.StatusBadRequest))
		return
	}
	m, err := s.cfg.Messages.Message(r.Context(), link.EventID, link.User)
	if err == nil {
		err = s.cfg.Messages.Mark(s.marking(r, m, done), link.EventID, link.User, done)
	}
	if err != nil {
		s.failPage(w, r, err)
		return
	}
	w.Header().Set("Location", r.PathValue("token")) // relative: a proxy may serve it below another path
	w.WriteHeader(http.StatusSeeOther)
}

// marking returns the context of a change that the recipient of a message makes.
func (s *Server) marking(r *http.Request, m ledger.PersonalMessage, done schoolbell.Outcome) context.Context {
	action := "inbox.read"
	if done == schoolbell.OutcomeAcknowledged {
		action = "inbox.acknowledge"
	}
	p := auth.Principal{Kind: schoolbell.ActorUser, ID: m.UserID, Grants: auth.Grants{User: m.UserID}}
	return ledger.WithChange(auth.WithPrincipal(r.Context(), p), ledger.NewChange(schoolbell.AuditEntry{At: s.cfg.Clock(), Actor: p.Actor(), Action: action,
		Target: schoolbell.Target{Kind: "inbox", ID: m.UserID}, Address: s.rates.address(r), Changes: map[string]any{"event": m.Event.ID, "page": true}}))
}

// openLink returns what the link of a request stands for, or answers it.
func (s *Server) openLink(w http.ResponseWriter, r *http.Request) (auth.MessageLink, bool) {
	link, err := s.cfg.Links.Open(r.PathValue("token"))
	if err != nil {
		s.badLink(w, r, err)
	}
	return link, err == nil
}

// failPage answers a request with a good link that cannot be served.
func (s *Server) failPage(w http.ResponseWriter, r *http.Request, err error) {
	if schoolbell.CodeOf(err) == schoolbell.CodeNotFound { // the event or the person was removed
		written(s.frame(r).EndedLink(w))
		return
	}
	p := s.problem(r.Context(), err)
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	written(s.frame(r).Failed(w, p.Status))
}

// frame is the frame of a page in the first of the languages that there are words in, else in one
// that the browser accepts, else in the school's.
func (s *Server) frame(r *http.Request, locales ...string) web.Frame {
	school := s.cfg.Settings.Current()
	tags := slices.Concat(locales, web.Accepted(r.Header.Get("Accept-Language")), []string{school.Language})
	return web.Frame{Words: web.WordsFor(tags...), School: school.Name, Root: messageRoot}
}

// written notices a page that could not be made.
func written(err error) {
	if err != nil {
		panic(err) // a fault of a template, which is logged and answered like others of ours
	}
}

// sentAt is when an event went out.
func sentAt(ev *schoolbell.Event) time.Time {
	if ev.SendAt.After(ev.CreatedAt) {
		return ev.SendAt
	}
	return ev.CreatedAt
}

// asks is what the button of a message says: events that people act on are confirmed.
func asks(ev *schoolbell.Event) schoolbell.Outcome {
	if ev.Lane == schoolbell.LaneUrgent || ev.Category == schoolbell.CategoryEvent || ev.Category == schoolbell.CategoryAttendance {
		return schoolbell.OutcomeAcknowledged
	}
	return schoolbell.OutcomeRead
}

// zoneOf returns the first of the time zones that there is, or UTC.
func zoneOf(names ...string) *time.Location {
	for _, name := range names {
		if !schoolbell.ValidTimezone(name) {
			continue
		}
		if zone, err := time.LoadLocation(name); err == nil {
			return zone
		}
	}
	return time.UTC
}
