package panel

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/panel/chart"
	"schoolbell/internal/panel/live"
	"schoolbell/internal/panel/site"
)

var eventPage = parse("event.html")

// eventView is an event and its deliveries.
type eventView struct {
	ID, Title, Origin, For, Place, Languages string
	Category                                 site.CategoryBadge
	Status                                   string
	Starts                                   site.Moment
	Paragraphs                               []string

	Percent      int
	Says, Rest   string
	Channels     []channelRow
	Announcement string
	Timeline     []happening
	Failed       int // deliveries that can be sent again
	Bad          int // these, and those that were reported as unwanted

	Live                             bool // more will happen without anybody doing something
	CanCancel, CanChange, CanRelease bool
	CanPreview                       bool
	Cancelled                        bool // also of an event that is held

	Failures failuresView
	Filter   deliveryFilters
	People   deliveryPage
	Printed  string // when, and by whom
}

// channelRow is how far a channel of a wave is.
type channelRow struct {
	Name, Icon string
	Bar        chart.Bar
	Percent    int
	Size       string
}

func (s *Server) showEvent(c *site.Call) error {
	v, err := s.event(c.Ctx(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	if v.Bad > 0 {
		if v.Failures, err = s.failures(c.Ctx(), v.ID); err != nil {
			return err
		}
	}
	query := readDeliveryQuery(c.R.URL.Query())
	if query.cause != "" {
		v.Failures.narrow(&query.DeliveryFilter, query.cause)
	}
	if v.People, err = s.deliveries(c, v.ID, query); err != nil {
		return err
	}
	v.Filter = newDeliveryFilters(v, query)
	v.Printed = s.site.When(s.site.Now()).Exact + ", by " + c.Account.Name
	spec := site.Spec{Title: v.Title, Path: "events", Crumbs: []site.Crumb{{Name: "Events", Path: "events"}}}
	if v.Live {
		spec.Live = v.ID + "/live"
	}
	return s.site.Write(c, eventPage, spec, v)
}

// streamEvent sends the parts of an event's page that have changed.
func (s *Server) streamEvent(c *site.Call) error {
	id, sends := c.R.PathValue("id"), c.May(schoolbell.ScopeSend)
	name, shown := "event "+id, []string{"progress", "announcement", "state", "timeline"}
	if sends {
		name, shown = name+" for senders", append(shown, "actions")
	}
	root := c.Root()
	return s.site.Follow(c, name, func(ctx context.Context) (live.Parts, bool, error) {
		v, err := s.event(ctx, id)
		if err != nil {
			return nil, false, err
		}
		made, err := site.RenderParts(eventPage, site.Page{Root: root, View: v}, shown...)
		return made, !v.Live, err
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
	names, err := s.site.Names(ctx)
	if err != nil {
		return v, err
	}
	sum := allWaves(p)
	v = eventView{ID: ev.ID, Title: ev.Title, For: site.AudienceWords(ev.Audience), Place: ev.Location, Category: names.Category(ev.Category), Status: string(ev.Status),
		Starts: s.site.When(ev.StartsAt), Paragraphs: strings.Split(ev.Body, "\n\n"), Percent: p.Percent, Failed: sum.Failed + sum.Bounced,
		Bad: sum.Failed + sum.Bounced + sum.Complained, CanChange: mayChange(ev), CanCancel: !ev.Status.Terminal(),
		CanRelease: ev.Status == schoolbell.EventHeld, CanPreview: mayPreview(ev), Cancelled: ev.Cancelled()}
	v.Origin = "Created by " + names.Actor(ev.CreatedBy) + ", " + s.site.When(ev.CreatedAt).Text + ", for " + v.For
	v.Languages = strings.Join(sortedKeys(ev.Texts), ", ")
	v.Says = site.Number(p.Done) + " of " + site.Count(p.Total, "delivery", "deliveries")
	v.Rest = s.rest(ev, sum)
	v.Channels = channelRows(p)
	v.Announcement = announcement(ev, p)
	waves, err := s.cfg.Reports.WaveTimes(ctx, id)
	if err != nil {
		return v, err
	}
	v.Live = !ev.Status.Terminal() || p.Done < p.Total || s.going(ev, waves)
	v.Timeline, err = s.timeline(ctx, ev, p, waves, names)
	return v, err
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
		return "Sent " + s.site.When(ev.SendAt).Text + ", in " + site.Roughly(ev.SendAt.Sub(s.site.Now()))
	case schoolbell.EventQueued:
		return "Waits for a worker"
	case schoolbell.EventHeld:
		if ev.Cancelled() {
			return "Cancelled; telling people is held since the ledger was restored from a backup"
		}
		return "Held since the ledger was restored from a backup"
	case schoolbell.EventProcessing:
		return "Since " + site.Roughly(s.site.Now().Sub(ev.CreatedAt))
	}
	return site.Sentence(verdict(sum))
}

// channelRows are the channels of the event itself, and those of its further waves.
func channelRows(p schoolbell.Progress) (rows []channelRow) {
	add := func(channels map[schoolbell.Channel]schoolbell.ChannelProgress, suffix string) {
		for _, c := range sortedChannels(channels) {
			counts := channels[c]
			rows = append(rows, channelRow{Name: site.ChannelName(c) + suffix, Icon: site.ChannelIcon(c), Bar: newBar(counts), Size: "bar-l",
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

func (s *Server) askCancel(c *site.Call) error {
	v, err := s.event(c.Ctx(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	p, err := s.cfg.Store.Progress(c.Ctx(), v.ID)
	if err != nil {
		return err
	}
	ask := site.Confirmation{Title: "Cancel", Question: "Cancel this event?", About: v.Title, Says: []string{"Nothing was sent yet, and nothing will be."},
		Keep: "Keep the event", Back: "events/" + url.PathEscape(v.ID), Do: "Cancel the event"}
	sum := allWaves(p)
	if v.Cancelled {
		ask.Question, ask.Do = "Stop telling people?", "Stop telling people"
		ask.Says = []string{"The event is cancelled already. People who have not been told of that yet will not be told."}
	} else if sent := sum.Sent + sum.Uncertain; sent > 0 {
		ask.Says = []string{site.Count(sent, "message has", "messages have") + " been sent already and cannot be taken back. The " + site.Number(sum.Pending) + " others will not be sent."}
		ask.Choice = site.Choice{Name: "notify", Text: "Tell the people who have the message already that the event is cancelled"}
	}
	return s.site.Confirm(c, "events", []site.Crumb{{Name: "Events", Path: "events"}, {Name: v.Title, Path: ask.Back}}, ask)
}

func (s *Server) cancelEvent(c *site.Call) error {
	id := c.R.PathValue("id")
	if c.Form.Get("notify") != "" {
		if _, _, err := s.cfg.Pipeline.Retract(c.Ctx(), id); err != nil {
			return err
		}
		return c.Redirect("events/" + url.PathEscape(id) + "?done=retracted")
	}
	if _, err := s.cfg.Pipeline.Cancel(c.Ctx(), id); err != nil {
		return err
	}
	return c.Redirect("events/" + url.PathEscape(id) + "?done=cancelled")
}

// retryEvent sends what failed again: all of it, or what failed on a channel for one cause.
func (s *Server) retryEvent(c *site.Call) error {
	id := c.R.PathValue("id")
	var only schoolbell.RetryFilter
	if cause := c.Form.Get("cause"); cause != "" {
		found, err := s.failures(c.Ctx(), id)
		if err != nil {
			return err
		}
		only = found.toRetry(cause, schoolbell.Channel(c.Form.Get("channel")))
		ledger.ChangeOf(c.Ctx()).Set("cause", cause)
		ledger.ChangeOf(c.Ctx()).Set("channel", only.Channel)
	}
	rows, err := s.cfg.Pipeline.Retry(c.Ctx(), id, only)
	if err != nil {
		return err
	}
	ledger.ChangeOf(c.Ctx()).Set("deliveries", rows)
	if rows == 0 {
		return c.Redirect("events/" + url.PathEscape(id) + "?done=none-retried")
	}
	return c.Redirect("events/" + url.PathEscape(id) + "?done=retried")
}

func (s *Server) askRelease(c *site.Call) error {
	v, err := s.event(c.Ctx(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	p, err := s.cfg.Store.Progress(c.Ctx(), v.ID)
	if err != nil {
		return err
	}
	ask := site.Confirmation{Title: "Release", Question: "Release this event?", About: v.Title, Keep: "Leave it as it is", Back: "events/" + url.PathEscape(v.ID), Harmless: true}
	switch waiting := allWaves(p).Pending; {
	case !v.CanRelease:
		ask.Says = []string{"It is not held."}
	case v.Cancelled:
		ask.Do = "Release and tell people"
		ask.Says = []string{"The event is cancelled. People who got its message will be told.", heldTwice}
	case waiting > 0:
		ask.Do = "Release and send"
		ask.Says = []string{site.Count(waiting, "message that the backup does not know as sent is sent.", "messages that the backup does not know as sent are sent."), heldTwice}
	default:
		ask.Do = "Release and send"
		ask.Says = []string{"It is sent to everybody whom it concerns.", heldTwice}
	}
	return s.site.Confirm(c, "events", []site.Crumb{{Name: "Events", Path: "events"}, {Name: v.Title, Path: ask.Back}}, ask)
}

// heldTwice says what a release may do.
const heldTwice = "Those who got it after the backup was made get it again. The messages count as uncertain, because nobody knows who those are."

func (s *Server) releaseEvent(c *site.Call) error {
	id := c.R.PathValue("id")
	if _, err := s.cfg.Pipeline.Release(c.Ctx(), id); err != nil {
		return err
	}
	return c.Redirect("events/" + url.PathEscape(id) + "?done=released")
}
