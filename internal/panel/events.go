package panel

import (
	"context"
	"net/url"
	"strings"

	"schoolbell"
)

var eventsPage = parse("events.html")

// pageRows is how many rows a page of a list has.
const pageRows = 25

// eventsView is the list of events.
type eventsView struct {
	Tabs          []statusTab
	Status, Query string
	Filtered      bool
	Rows          []eventRow
	Shown         string
	Newest, Older string // URLs; empty for none
}

// statusTab narrows the list to a status.
type statusTab struct {
	Name, Status string
	Current      bool
}

// eventRow is an event in a list.
type eventRow struct {
	ID, Title, By, For string
	Category           categoryBadge
	When               moment
	Status             string
	Bar                bar
	Percent            int
	Says               string
	Size, Name         string // of the bar
}

var eventTabs = []struct {
	name   string
	status schoolbell.EventStatus
}{
	{"All", ""}, {"In progress", schoolbell.EventProcessing}, {"Scheduled", schoolbell.EventScheduled}, {"Held", schoolbell.EventHeld},
	{"Completed", schoolbell.EventCompleted}, {"Cancelled", schoolbell.EventCancelled},
}

func (s *Server) listEvents(c *call) error {
	query := c.r.URL.Query()
	filter := schoolbell.EventFilter{Status: schoolbell.EventStatus(query.Get("status")), Text: strings.TrimSpace(query.Get("q"))}
	v := eventsView{Status: string(filter.Status), Query: filter.Text, Filtered: filter != schoolbell.EventFilter{} || query.Has("before")}
	for _, t := range eventTabs {
		v.Tabs = append(v.Tabs, statusTab{t.name, string(t.status), t.status == filter.Status})
	}
	events, err := s.cfg.Store.Events(c.ctx(), filter, query.Get("before"), pageRows+1)
	if err != nil {
		return err
	}
	if query.Has("before") {
		v.Newest = listURL(filter, "")
	}
	if len(events) > pageRows {
		events = events[:pageRows]
		v.Older = listURL(filter, events[pageRows-1].ID)
	}
	names, err := s.names(c.ctx())
	if err != nil {
		return err
	}
	if v.Rows, err = s.eventRows(c.ctx(), events, names); err != nil {
		return err
	}
	v.Shown = count(len(v.Rows), "event", "events")
	return s.write(c, eventsPage, pageSpec{title: "Events", path: "events"}, v)
}

// listURL is the list of events below an event, relative to itself.
func listURL(f schoolbell.EventFilter, before string) string {
	q := url.Values{}
	for name, value := range map[string]string{"status": string(f.Status), "q": f.Text, "before": before} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if len(q) == 0 {
		return "events"
	}
	return "events?" + q.Encode()
}

func (s *Server) eventRows(ctx context.Context, events []*schoolbell.Event, names names) ([]eventRow, error) {
	rows := make([]eventRow, 0, len(events))
	for _, ev := range events {
		p, err := s.cfg.Store.Progress(ctx, ev.ID)
		if schoolbell.CodeOf(err) == schoolbell.CodeNotFound {
			continue // removed a moment ago
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, s.eventRow(ev, p, names))
	}
	return rows, nil
}

func (s *Server) eventRow(ev *schoolbell.Event, p schoolbell.Progress, names names) eventRow {
	sum := allWaves(p)
	r := eventRow{ID: ev.ID, Title: ev.Title, By: names.actor(ev.CreatedBy), For: audienceWords(ev.Audience), Category: names.category(ev.Category),
		When: s.when(ev.CreatedAt), Status: string(ev.Status), Bar: newBar(sum), Percent: p.Percent}
	switch ev.Status {
	case schoolbell.EventScheduled:
		r.When, r.Says = s.when(ev.SendAt), "in "+roughly(ev.SendAt.Sub(s.now()))
	case schoolbell.EventHeld:
		r.Says = "waits to be released"
	case schoolbell.EventQueued:
		r.Says = "waits for a worker"
	case schoolbell.EventProcessing:
		r.Says = number(p.Done) + " of " + count(p.Total, "delivery", "deliveries")
	default:
		r.Says = verdict(sum)
	}
	return r
}

// verdict says in a few words how an event went.
func verdict(p schoolbell.ChannelProgress) string {
	var words []string
	for _, part := range []struct {
		n    int
		word string
	}{{p.Failed, "failed"}, {p.Bounced, "bounced"}, {p.Uncertain, "uncertain"}, {p.Suppressed, "left out"}, {p.Cancelled, "cancelled"}, {p.Expired, "expired"}} {
		if part.n > 0 {
			words = append(words, number(part.n)+" "+part.word)
		}
	}
	switch {
	case p.Total == 0:
		return "nobody was concerned"
	case len(words) == 0:
		return "all arrived"
	}
	return strings.Join(words, ", ")
}

// allWaves adds the counts of all channels and waves.
func allWaves(p schoolbell.Progress) schoolbell.ChannelProgress {
	sums := map[schoolbell.Channel]schoolbell.ChannelProgress{"": sumProgress(p.Channels)}
	for n, w := range p.Waves {
		sums[schoolbell.Channel(string(rune(n)))] = sumProgress(w.Channels)
	}
	return sumProgress(sums)
}
