package panel

import (
	"net/url"
	"strings"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/panel/chart"
	"schoolbell/internal/panel/site"
)

var eventsPage = parse("events.html")

// eventsView is the list of events.
type eventsView struct {
	Tabs          []statusTab
	Status, Query string
	Filtered      bool
	Rows          []eventRow
	Shown         string
	Newest, Older string // URLs; empty for none
}

// statusTab narrows the list to a status, or leads to the drafts of the account.
type statusTab struct {
	Name, URL string
	Count     int // 0 if it is not shown
	Current   bool
}

// eventRow is an event in a list.
type eventRow struct {
	ID, Title, By, For string
	Category           site.CategoryBadge
	When               site.Moment
	Status             string
	Bar                chart.Bar
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

func (s *Server) listEvents(c *site.Call) error {
	query := c.R.URL.Query()
	filter := schoolbell.EventFilter{Status: schoolbell.EventStatus(query.Get("status")), Text: strings.TrimSpace(query.Get("q"))}
	v := eventsView{Status: string(filter.Status), Query: filter.Text, Filtered: filter.Status != "" || filter.Text != "" || query.Has("before")}
	filter.Within = c.Account.Groups
	err := s.site.CheckPlace(c, query.Get("before"))
	if err != nil {
		return err
	}
	if v.Tabs, err = s.eventTabs(c, func(st schoolbell.EventStatus) bool { return st == filter.Status }); err != nil {
		return err
	}
	events, err := s.cfg.Overview.CountedEvents(c.Ctx(), filter, query.Get("before"), site.PageRows+1)
	if err != nil {
		return err
	}
	if query.Has("before") {
		v.Newest = listURL(filter, "")
	}
	if len(events) > site.PageRows {
		events = events[:site.PageRows]
		v.Older = listURL(filter, events[site.PageRows-1].ID)
	}
	names, err := s.site.Names(c.Ctx())
	if err != nil {
		return err
	}
	v.Rows = s.eventRows(events, names)
	v.Shown = site.Count(len(v.Rows), "event", "events")
	return s.site.Write(c, eventsPage, site.Spec{Title: "Events", Path: "events"}, v)
}

// eventTabs are the tabs over the list of events, and that of drafts for those who may compose.
func (s *Server) eventTabs(c *site.Call, current func(schoolbell.EventStatus) bool) (tabs []statusTab, err error) {
	for _, t := range eventTabs {
		tabs = append(tabs, statusTab{Name: t.name, URL: listURL(schoolbell.EventFilter{Status: t.status}, ""), Current: current(t.status)})
	}
	if !c.May(schoolbell.ScopeSend) {
		return tabs, nil
	}
	n, err := s.cfg.Drafts.Count(c.Ctx(), c.Account.ID)
	return append(tabs, statusTab{Name: "Drafts", URL: "drafts", Count: n, Current: current(statusDraft)}), err
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

func (s *Server) eventRows(events []ledger.CountedEvent, names site.Names) []eventRow {
	rows := make([]eventRow, 0, len(events))
	for _, ev := range events {
		rows = append(rows, s.eventRow(ev.Event, ev.Progress, names))
	}
	return rows
}

func (s *Server) eventRow(ev *schoolbell.Event, p schoolbell.Progress, names site.Names) eventRow {
	sum := allWaves(p)
	r := eventRow{ID: ev.ID, Title: ev.Title, By: names.Actor(ev.CreatedBy), For: site.AudienceWords(ev.Audience), Category: names.Category(ev.Category),
		When: s.site.When(ev.CreatedAt), Status: string(ev.Status), Bar: newBar(sum), Percent: p.Percent}
	switch ev.Status {
	case schoolbell.EventScheduled:
		r.When, r.Says = s.site.When(ev.SendAt), "in "+site.Roughly(ev.SendAt.Sub(s.site.Now()))
	case schoolbell.EventHeld:
		r.Says = "waits to be released"
	case schoolbell.EventQueued:
		r.Says = "waits for a worker"
	case schoolbell.EventProcessing:
		r.Says = site.Number(p.Done) + " of " + site.Count(p.Total, "delivery", "deliveries")
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
			words = append(words, site.Number(part.n)+" "+part.word)
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
