package panel

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"schoolbell"
	"schoolbell/internal/ledger"
)

var (
	eventPage  = parse("event.html")
	cancelPage = parse("cancel.html")
)

// eventView is an event and its deliveries.
type eventView struct {
	ID, Title, Origin, For, Place, Languages string
	Category                                 categoryBadge
	Status                                   string
	Starts                                   moment
	Paragraphs                               []string

	Percent      int
	Says, Rest   string
	Channels     []channelRow
	Announcement string
	Timeline     []happening
	Failed       int // deliveries that can be sent again

	CanCancel, CanRelease bool

	Filter deliveryFilters
	People deliveryPage
}

// channelRow is how far a channel of a wave is.
type channelRow struct {
	Name, Icon string
	Bar        bar
	Percent    int
	Size       string
}

// happening is a line of the timeline.
type happening struct {
	Mark, Text string
	When       moment
}

func (s *Server) showEvent(c *call) error {
	v, err := s.event(c.ctx(), c.r.PathValue("id"))
	if err != nil {
		return err
	}
	query := c.r.URL.Query()
	filter := schoolbell.DeliveryFilter{Status: schoolbell.DeliveryStatus(query.Get("status")), Channel: schoolbell.Channel(query.Get("channel"))}
	if v.People, err = s.deliveries(c.ctx(), v.ID, filter, query.Get("after")); err != nil {
		return err
	}
	v.Filter = newDeliveryFilters(v, filter)
	spec := pageSpec{title: v.Title, path: "events", crumbs: []crumb{{"Events", "events"}}}
	if v.Status != string(schoolbell.EventCompleted) && v.Status != string(schoolbell.EventCancelled) {
		spec.live = v.ID + "/live"
	}
	return s.write(c, eventPage, spec, v)
}

// streamEvent sends the parts of an event's page that have changed.
func (s *Server) streamEvent(c *call) error {
	id, sends := c.r.PathValue("id"), c.may(schoolbell.ScopeSend)
	name, shown := "event "+id, []string{"progress", "announcement", "state", "timeline"}
	if sends {
		name, shown = name+" for senders", append(shown, "actions")
	}
	root := c.root()
	return s.follow(c, name, func(ctx context.Context) (parts, bool, error) {
		v, err := s.event(ctx, id)
		if err != nil {
			return nil, false, err
		}
		made, err := renderParts(eventPage, page{Root: root, View: v}, shown...)
		return made, schoolbell.EventStatus(v.Status).Terminal() && v.Percent == 100, err
	})
}

// event reads an event and counts its deliveries. The event is read first: a terminal status then goes with final counts.
func (s *Server) event(ctx context.Context, id string) (v eventView, err error) {
	ev, err := s.cfg.Store.Event(ctx, id)
	if err != nil {
		return v, err
	}
	p, err := s.cfg.Store.Progress(ctx, id)
	if err != nil {
		return v, err
	}
	names, err := s.names(ctx)
	if err != nil {
		return v, err
	}
	sum := allWaves(p)
	v = eventView{ID: ev.ID, Title: ev.Title, For: audienceWords(ev.Audience), Place: ev.Location, Category: names.category(ev.Category), Status: string(ev.Status),
		Starts: s.when(ev.StartsAt), Paragraphs: strings.Split(ev.Body, "\n\n"), Percent: p.Percent, Failed: sum.Failed,
		CanCancel: !ev.Status.Terminal(), CanRelease: ev.Status == schoolbell.EventHeld}
	v.Origin = "Created by " + names.actor(ev.CreatedBy) + ", " + s.when(ev.CreatedAt).Text + ", for " + v.For
	v.Languages = strings.Join(sortedKeys(ev.Texts), ", ")
	v.Says = number(p.Done) + " of " + count(p.Total, "delivery", "deliveries")
	v.Rest = s.rest(ev, sum)
	v.Channels = channelRows(p)
	v.Announcement = announcement(ev, p)
	v.Timeline = s.timeline(ev, p, names)
	return v, nil
}

func sortedKeys[V any](m map[string]V) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// rest says what is still to come, or how it went.
func (s *Server) rest(ev *schoolbell.Event, sum schoolbell.ChannelProgress) string {
	switch ev.Status {
	case schoolbell.EventScheduled:
		return "Sent " + s.when(ev.SendAt).Text + ", in " + roughly(ev.SendAt.Sub(s.now()))
	case schoolbell.EventQueued:
		return "Waits for a worker"
	case schoolbell.EventHeld:
		return "Held since the ledger was restored from a backup"
	case schoolbell.EventProcessing:
		return "Since " + roughly(s.now().Sub(ev.CreatedAt))
	}
	return sentence(verdict(sum))
}

// channelRows are the channels of the event itself, and those of its further waves.
func channelRows(p schoolbell.Progress) (rows []channelRow) {
	add := func(channels map[schoolbell.Channel]schoolbell.ChannelProgress, suffix string) {
		for _, c := range sortedChannels(channels) {
			counts := channels[c]
			rows = append(rows, channelRow{Name: channelName(c) + suffix, Icon: channelIcon(c), Bar: newBar(counts), Size: "bar-l",
				Percent: (counts.Total - counts.Pending) * 100 / max(1, counts.Total)})
		}
	}
	add(p.Channels, "")
	for _, n := range sortedWaves(p) {
		add(p.Waves[n].Channels, ", wave "+strconv.Itoa(n))
	}
	return rows
}

func sortedWaves(p schoolbell.Progress) (numbers []int) {
	for n := range p.Waves {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers
}

// sortedChannels are in the order of the panel: those that the program has, then others by name.
func sortedChannels[V any](channels map[schoolbell.Channel]V) (sorted []schoolbell.Channel) {
	order := []schoolbell.Channel{schoolbell.ChannelInApp, schoolbell.ChannelPush, schoolbell.ChannelEmail, schoolbell.ChannelSMS}
	for c := range channels {
		sorted = append(sorted, c)
	}
	slices.SortFunc(sorted, func(a, b schoolbell.Channel) int {
		if d := slices.Index(order, a) - slices.Index(order, b); d != 0 {
			return d
		}
		return strings.Compare(string(a), string(b))
	})
	return sorted
}

// announcement is what screen readers say while an event is sent: it changes four times.
func announcement(ev *schoolbell.Event, p schoolbell.Progress) string {
	switch {
	case ev.Status == schoolbell.EventCompleted:
		return "All deliveries are done."
	case ev.Status == schoolbell.EventCancelled:
		return "The event is cancelled."
	case p.Percent < 25:
		return ""
	}
	return strconv.Itoa(p.Percent/25*25) + " percent of the deliveries are done."
}

// timeline is what has happened to an event, the latest first.
func (s *Server) timeline(ev *schoolbell.Event, p schoolbell.Progress, names names) (list []happening) {
	switch {
	case ev.Status == schoolbell.EventCompleted:
		list = append(list, happening{"completed", "All deliveries are done", s.when(ev.CompletedAt)})
	case ev.Status == schoolbell.EventCancelled:
		list = append(list, happening{"cancelled", "Cancelled", s.when(ev.CompletedAt)})
	case ev.Status == schoolbell.EventProcessing:
		list = append(list, happening{"processing", number(p.Total-p.Done) + " still to be sent", moment{Text: "now"}})
	case ev.Status == schoolbell.EventScheduled:
		list = append(list, happening{"scheduled", "Is sent", s.when(ev.SendAt)})
	case ev.Status == schoolbell.EventHeld:
		list = append(list, happening{"held", "Held until somebody releases it", moment{Text: "now"}})
	}
	if ev.Revision > 0 {
		list = append(list, happening{"queued", "Changed " + count(ev.Revision, "time", "times"), moment{}})
	}
	return append(list, happening{"queued", "Created by " + names.actor(ev.CreatedBy), s.when(ev.CreatedAt)})
}

// cancelView asks before an event is cancelled.
type cancelView struct {
	ID, Title, Says string
	Sent            int
}

func (s *Server) askCancel(c *call) error {
	v, err := s.event(c.ctx(), c.r.PathValue("id"))
	if err != nil {
		return err
	}
	p, err := s.cfg.Store.Progress(c.ctx(), v.ID)
	if err != nil {
		return err
	}
	sum := allWaves(p)
	ask := cancelView{ID: v.ID, Title: v.Title, Sent: sum.Sent + sum.Uncertain}
	ask.Says = "Nothing was sent yet, and nothing will be."
	if ask.Sent > 0 {
		ask.Says = count(ask.Sent, "message has", "messages have") + " been sent already and cannot be taken back. The " + number(sum.Pending) + " others will not be sent."
	}
	return s.write(c, cancelPage, pageSpec{title: "Cancel", path: "events", crumbs: []crumb{{"Events", "events"}, {v.Title, "events/" + v.ID}}}, ask)
}

func (s *Server) cancelEvent(c *call) error {
	id := c.r.PathValue("id")
	if c.form.Get("notify") != "" {
		if _, _, err := s.cfg.Pipeline.Retract(c.ctx(), id); err != nil {
			return err
		}
		return c.redirect("events/" + url.PathEscape(id) + "?done=told")
	}
	if _, err := s.cfg.Pipeline.Cancel(c.ctx(), id); err != nil {
		return err
	}
	return c.redirect("events/" + url.PathEscape(id) + "?done=cancelled")
}

func (s *Server) retryEvent(c *call) error {
	id := c.r.PathValue("id")
	rows, err := s.cfg.Pipeline.Retry(c.ctx(), id)
	if err != nil {
		return err
	}
	ledger.ChangeOf(c.ctx()).Set("deliveries", rows)
	return c.redirect("events/" + url.PathEscape(id) + "?done=retried")
}

func (s *Server) releaseEvent(c *call) error {
	id := c.r.PathValue("id")
	if _, err := s.cfg.Pipeline.Release(c.ctx(), id); err != nil {
		return err
	}
	return c.redirect("events/" + url.PathEscape(id) + "?done=released")
}
