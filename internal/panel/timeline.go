package panel

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/panel/site"
)

// happening is a line of the timeline.
type happening struct {
	Mark, Text string
	When       site.Moment
}

// maxDone is how many changes of an event its timeline names.
const maxDone = 50

// timeline is what has happened to an event, the latest first.
func (s *Server) timeline(ctx context.Context, ev *schoolbell.Event, p schoolbell.Progress, waves []ledger.WaveTimes, names site.Names) ([]happening, error) {
	done, err := s.cfg.Store.AuditEntries(ctx, schoolbell.AuditFilter{Target: schoolbell.Target{Kind: "event", ID: ev.ID}}, "", maxDone)
	if err != nil {
		return nil, err
	}
	past := dated{{ev.CreatedAt, "queued", "Created by " + names.Actor(ev.CreatedBy)}}
	for _, w := range waves {
		past.wave(w, ev.Status)
	}
	cancelled := false
	for _, e := range done {
		cancelled = past.entry(e, names) || cancelled
	}
	if ev.Status == schoolbell.EventCancelled && !cancelled {
		past.add(ev.CompletedAt, "cancelled", "Cancelled")
	}
	slices.SortStableFunc(past, func(a, b dateLine) int { return b.at.Compare(a.at) })
	list := s.ahead(ev, p)
	for _, d := range past {
		list = append(list, happening{d.mark, d.text, s.site.Precisely(d.at)})
	}
	return list, nil
}

// going reports whether a wave of an event is not finished that has started. A wave of a completed event may tell of its change.
func (s *Server) going(ev *schoolbell.Event, waves []ledger.WaveTimes) bool {
	return slices.ContainsFunc(waves, func(w ledger.WaveTimes) bool {
		return w.FinishedAt.IsZero() && !w.StartsAt.After(s.site.Now()) && (ev.Status != schoolbell.EventCancelled || w.Notice == schoolbell.NoticeCancelled)
	})
}

// ahead is what is going on with an event, and what is to come.
func (s *Server) ahead(ev *schoolbell.Event, p schoolbell.Progress) (list []happening) {
	switch ev.Status {
	case schoolbell.EventProcessing:
		list = append(list, happening{"processing", site.Number(p.Total-p.Done) + " still to be sent", site.Moment{Text: "now"}})
	case schoolbell.EventScheduled:
		list = append(list, happening{"scheduled", "Is sent", s.site.When(ev.SendAt)})
	case schoolbell.EventHeld:
		list = append(list, happening{"held", "Held until somebody releases it", site.Moment{Text: "now"}})
	}
	return list
}

// dated are lines of a timeline with their times.
type dated []dateLine

type dateLine struct {
	at         time.Time
	mark, text string
}

func (d *dated) add(at time.Time, mark, text string) {
	if !at.IsZero() {
		*d = append(*d, dateLine{at, mark, text})
	}
}

// wave adds what is known of a wave. That of a cancelled event ends with the event.
func (d *dated) wave(w ledger.WaveTimes, status schoolbell.EventStatus) {
	what := "of wave " + strconv.Itoa(w.Number)
	switch w.Notice {
	case schoolbell.NoticeChanged:
		what = "of the change"
	case schoolbell.NoticeCancelled:
		what = "of the cancellation"
	}
	if w.Number == 0 {
		what = ""
	}
	line := func(text string) string { return strings.TrimSpace(text + " " + what) }
	d.add(w.QueuedAt, "sending", line("Sending began"))
	if w.FinishedAt.IsZero() || w.HalfAt.Before(w.FinishedAt) {
		d.add(w.HalfAt, "sent", line("Half of the deliveries are done"))
	}
	if status != schoolbell.EventCancelled || w.Notice == schoolbell.NoticeCancelled {
		d.add(w.FinishedAt, "completed", line("All deliveries are done"))
	}
}

// entry adds what somebody did, and reports whether it was to cancel the event.
func (d *dated) entry(e schoolbell.AuditEntry, names site.Names) (cancelled bool) {
	who := names.Actor(e.Actor)
	switch e.Action {
	case "event.change", "event.update":
		d.add(e.At, "queued", "Changed by "+who+fieldsOf(e))
	case "event.cancel":
		d.add(e.At, "cancelled", "Cancelled by "+who)
		return true
	case "event.retry":
		d.add(e.At, "sending", "Failed deliveries resent by "+who)
	case "event.release":
		d.add(e.At, "queued", "Released by "+who)
	}
	return false
}

// fieldsOf names the fields that a change was about.
func fieldsOf(e schoolbell.AuditEntry) string {
	list, _ := e.Changes["fields"].([]any)
	var words []string
	for _, name := range list {
		text, _ := name.(string)
		for _, f := range composeFields {
			if f.Field == text {
				words = append(words, strings.ToLower(f.Label))
			}
		}
	}
	if len(words) == 0 {
		return ""
	}
	return ": " + site.Join(words)
}
