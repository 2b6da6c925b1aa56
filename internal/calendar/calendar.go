package calendar

import (
	"strconv"
	"strings"
	"time"

	"schoolbell"
)

// The methods of a calendar: what its reader does with it (RFC 5546). Feeds have none.
const (
	Publish = "PUBLISH" // show it; no answer is expected
	Cancel  = "CANCEL"  // the event does not take place
)

// Calendar is an iCalendar object.
type Calendar struct {
	Method  string        // Publish or Cancel; empty for a feed
	Name    string        // of a feed; may be empty
	Refresh time.Duration // how often readers of a feed should ask again; 0 says nothing
	Entries []Entry
}

// Entry is one event in a calendar.
type Entry struct {
	UID       string    // the same for every version of the event, in every calendar
	Stamp     time.Time // when this version was made
	Sequence  int       // of this version, from 0
	Start     time.Time
	End       time.Time // zero, or the start, for a moment
	Summary   string    // one line
	Text      string    // may be empty
	Location  string    // may be empty
	URL       string    // http or https; empty for none
	Cancelled bool
}

// UID returns the unique id of an event. The id of an event is unique in the world, so the name of a host, which may
// change, is not part of it.
func UID(eventID string) string { return eventID + "@schoolbell" }

// EntryOf returns an event, which has a time, as it is said in one language.
func EntryOf(ev *schoolbell.Event, said schoolbell.EventText) Entry {
	return Entry{
		UID: UID(ev.ID), Sequence: ev.Revision, Stamp: ev.CreatedAt, Start: ev.StartsAt, End: ev.EndsAt,
		Summary: said.Title, Text: strings.TrimSpace(said.Body), Location: said.Location, Cancelled: ev.Cancelled(),
	}
}

// Append appends c as text in UTF-8, with CRLF at the ends of lines.
func (c Calendar) Append(b []byte) []byte {
	w := writer{b}
	w.line("BEGIN", "VCALENDAR")
	w.line("VERSION", "2.0")
	w.line("PRODID", "-//Schoolbell//Schoolbell//EN")
	w.line("CALSCALE", "GREGORIAN")
	if c.Method != "" {
		w.line("METHOD", c.Method)
	}
	if c.Name != "" {
		w.text("NAME", c.Name)
		w.text("X-WR-CALNAME", c.Name) // its name before RFC 7986
	}
	if c.Refresh > 0 {
		every := "PT" + strconv.Itoa(int(c.Refresh/time.Minute)) + "M"
		w.line("REFRESH-INTERVAL;VALUE=DURATION", every)
		w.line("X-PUBLISHED-TTL", every)
	}
	for _, e := range c.Entries {
		w.entry(e)
	}
	w.line("END", "VCALENDAR")
	return w.b
}

func (w *writer) entry(e Entry) {
	w.line("BEGIN", "VEVENT")
	w.text("UID", e.UID)
	w.time("DTSTAMP", e.Stamp)
	w.line("SEQUENCE", strconv.Itoa(e.Sequence))
	w.time("DTSTART", e.Start)
	if e.End.After(e.Start) {
		w.time("DTEND", e.End)
	}
	w.text("SUMMARY", e.Summary)
	if e.Text != "" {
		w.text("DESCRIPTION", e.Text)
	}
	if e.Location != "" {
		w.text("LOCATION", e.Location)
	}
	if url := uri(e.URL); url != "" {
		w.line("URL", url)
	}
	status := "CONFIRMED"
	if e.Cancelled {
		status = "CANCELLED"
	}
	w.line("STATUS", status)
	w.line("END", "VEVENT")
}
