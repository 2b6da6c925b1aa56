package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"schoolbell"
	"schoolbell/internal/calendar"
	"schoolbell/internal/ledger"
	"schoolbell/wire"
)

const (
	calendarPath    = "/calendar/"
	calendarEnding  = ".ics"
	calendarRefresh = time.Hour // how often calendars are told to ask
	calendarText    = 2_000     // characters of the text of an event, so that a feed is not megabytes
)

// Calendars is what the API needs of the calendar feeds of users.
type Calendars interface {
	Create(ctx context.Context, userID string) (feed ledger.CalendarFeed, created bool, err error)
	Revoke(ctx context.Context, userID string) error
	Feed(ctx context.Context, userID string) (ledger.CalendarFeed, error)
	Events(ctx context.Context, feed ledger.CalendarFeed) (ledger.CalendarEvents, error)
}

type calendarOutput struct {
	Status int
	Body   wire.CalendarFeed
}

func (s *Server) createCalendar(ctx context.Context, in *UserAccess) (*calendarOutput, error) {
	feed, created, err := s.cfg.Calendars.Create(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := &calendarOutput{http.StatusOK, wire.CalendarFeed{URL: s.calendarURL(feed)}}
	if created {
		out.Status = http.StatusCreated
	}
	return out, nil
}

func (s *Server) revokeCalendar(ctx context.Context, in *UserAccess) (*struct{}, error) {
	return nil, s.cfg.Calendars.Revoke(ctx, in.ID)
}

// calendarURL is the link to a feed.
func (s *Server) calendarURL(feed ledger.CalendarFeed) string {
	token, _ := s.cfg.Links.CalendarToken(feed) // a feed that the ledger has
	return strings.TrimRight(s.cfg.PublicURL, "/") + calendarPath + token + calendarEnding
}

// showCalendar answers with a feed. The link is the authority. A link that does not work says nothing about why.
func (s *Server) showCalendar(w http.ResponseWriter, r *http.Request) {
	token, ok := strings.CutSuffix(r.PathValue("file"), calendarEnding)
	feed, err := s.cfg.Links.OpenCalendar(token)
	if !ok || err != nil {
		writeProblem(w, noCalendar())
		return
	}
	if wait, ok := s.rates.allowFeed(feed, w.Header()); !ok {
		writeProblem(w, tooOften(wait, "this calendar was asked for too often"))
		return
	}
	found, err := s.cfg.Calendars.Events(r.Context(), feed)
	if schoolbell.CodeOf(err) == schoolbell.CodeNotFound {
		writeProblem(w, noCalendar())
		return
	}
	if err != nil {
		writeProblem(w, s.problem(r.Context(), err))
		return
	}
	text := s.calendarOf(found)
	digest := sha256.Sum256(text)
	w.Header().Set("ETag", `"`+base64.RawURLEncoding.EncodeToString(digest[:16])+`"`)
	w.Header().Set("Cache-Control", "private, no-cache")
	w.Header().Set("Content-Type", "text/calendar; charset=utf-8")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
}

func noCalendar() *problem {
	return newProblem(schoolbell.CodeNotFound, "the calendar does not exist")
}

// calendarOf writes events in the language of their user.
func (s *Server) calendarOf(found ledger.CalendarEvents) []byte {
	school := s.cfg.Settings.Current()
	c := calendar.Calendar{Name: school.Name, Refresh: calendarRefresh, Entries: make([]calendar.Entry, len(found.Events))}
	locale := found.Locale
	if locale == "" {
		locale = school.Language
	}
	for i, ev := range found.Events {
		said, _ := ev.In(locale)
		said.Body = shortened(strings.TrimSpace(said.Body))
		entry := calendar.EntryOf(ev, said)
		if entry.Cancelled {
			entry.Sequence++ // a cancellation that nobody was told of is no revision
		}
		c.Entries[i] = entry
	}
	return c.Append(nil)
}

// shortened is the beginning of a text that is too long for a feed.
func shortened(text string) string {
	if utf8.RuneCountInString(text) <= calendarText {
		return text
	}
	runes := []rune(text)
	return strings.TrimSpace(string(runes[:calendarText-1])) + "…"
}
