package panel

import (
	"context"
	"fmt"
	"slices"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/panel/cache"
	"schoolbell/internal/panel/chart"
	"schoolbell/internal/panel/live"
	"schoolbell/internal/panel/queues"
	"schoolbell/internal/panel/site"
)

var overviewPage = parse("overview.html")

// overviewView is what the staff sees first.
type overviewView struct {
	Today     string
	Running   []eventRow
	Upcoming  []eventRow
	Attention []finding
	Parts     []site.Dependency
	Tiles     []tile
	Traffic   chart.Traffic
	Failed    failedView
	Queues    queues.List // for those who may see queues
	SeeQueues bool
	Oldest    string // how long the job has waited that has waited longest; empty if none waits
	Limited   bool   // the account sees no numbers of all events
}

// tile is one number.
type tile struct{ Name, Value, Hint, Class string }

// finding is something that somebody should look at.
type finding struct{ Mark, Path, Title, Text string }

const (
	shownRunning  = 10
	shownUpcoming = 5
	recentEvents  = 50 // of which failures are shown
	recentPeriod  = 7 * 24 * time.Hour

	// How old what the overview shows may be, however many look at it.
	tilesAge = 15 * time.Second
	listsAge = time.Minute
	namesAge = time.Minute
)

func (s *Server) showOverview(c *site.Call) error {
	p := chart.PeriodOf(c.R.URL.Query().Get("period"))
	v, err := s.overview(c.Ctx(), p, c.Account)
	if err != nil {
		return err
	}
	return s.site.Write(c, overviewPage, site.Spec{Title: "Overview", Chart: true, Outages: true, Live: "live?period=" + p.ID}, v)
}

// overviewEvery is how often the overview follows, in intervals of live parts: it is open all day in many places.
const overviewEvery = 5

// seesQueues reports whether an account may see queues.
func seesQueues(a schoolbell.StaffAccount) bool { return a.Role.Scope().Allows(schoolbell.ScopeAdmin) }

// streamOverview sends the parts of the overview that have changed.
func (s *Server) streamOverview(c *site.Call) error {
	root, p, a := c.Root(), chart.PeriodOf(c.R.URL.Query().Get("period")), c.Account
	return s.site.FollowEvery(c, fmt.Sprint("overview ", p.ID, seesQueues(a)), overviewEvery, func(ctx context.Context) (live.Parts, bool, error) {
		v, err := s.overview(ctx, p, a)
		if schoolbell.CodeOf(err) == schoolbell.CodeUnavailable {
			s.site.Log.WarnContext(ctx, "the overview waits for the ledger", "error", err)
			made, err := site.RenderParts(overviewPage, site.Page{Root: root, View: overviewView{Parts: s.dependencies(ctx)}}, "parts")
			return made, false, err
		}
		if err != nil {
			return nil, false, err
		}
		shown := []string{"running", "upcoming", "attention", "parts", "tiles", "failed", "queues"}
		if !v.Limited {
			shown = append(shown, "traffic")
		}
		made, err := site.RenderParts(overviewPage, site.Page{Root: root, View: v}, shown...)
		return made, false, err
	})
}

// overview is what an account sees. The chart counts the messages of all events, so that accounts that are limited to groups have none.
func (s *Server) overview(ctx context.Context, p chart.Period, a schoolbell.StaffAccount) (v overviewView, err error) {
	groups := a.Groups
	v.Today = s.site.Now().In(s.site.Zone()).Format("Monday 2 January, 15:04")
	names, err := cache.Get(s.cache, "names", namesAge, func() (site.Names, error) { return s.site.Names(ctx) })
	if err != nil {
		return v, err
	}
	open, err := s.cfg.Overview.OpenEvents(ctx, schoolbell.EventFilter{Within: groups}, shownRunning)
	if err != nil {
		return v, err
	}
	v.Running = s.eventRows(open, names)
	of := site.OfGroups(groups)
	if v.Upcoming, err = cache.Get(s.cache, "upcoming"+of, listsAge, func() ([]eventRow, error) { return s.upcoming(ctx, groups, names) }); err != nil {
		return v, err
	}
	if v.Tiles, err = cache.Get(s.cache, "tiles"+of, tilesAge, func() ([]tile, error) { return s.today(ctx, groups) }); err != nil {
		return v, err
	}
	if v.Attention, err = cache.Get(s.cache, "attention"+of, listsAge, func() ([]finding, error) { return s.findings(ctx, groups) }); err != nil {
		return v, err
	}
	if v.Limited = len(groups) > 0; !v.Limited {
		if v.Traffic, err = s.traffic(ctx, p); err != nil {
			return v, err
		}
	}
	if v.Failed, err = cache.Get(s.cache, "failed"+of, failedAge, func() (failedView, error) { return s.failedToday(ctx, groups) }); err != nil {
		return v, err
	}
	v.Parts = s.dependencies(ctx)
	return s.addQueues(ctx, v, seesQueues(a)), nil
}

// dependencies are what the server needs, and whether it works.
func (s *Server) dependencies(ctx context.Context) (parts []site.Dependency) {
	for _, d := range s.cfg.Health(ctx).Dependencies {
		parts = append(parts, site.DependencyOf(d))
	}
	return parts
}

// todayEvents is how many events of a day are counted.
const todayEvents = 200

// today counts the deliveries of the events that were created today in the time zone of the school.
func (s *Server) today(ctx context.Context, groups []string) ([]tile, error) {
	zone := s.site.Zone()
	y, m, d := s.site.Now().In(zone).Date()
	midnight := time.Date(y, m, d, 0, 0, 0, 0, zone)
	events, err := s.cfg.Overview.CountedEvents(ctx, schoolbell.EventFilter{Within: groups}, "", todayEvents)
	if err != nil {
		return nil, err
	}
	var sum schoolbell.ChannelProgress
	n := 0
	for _, ev := range events {
		if ev.CreatedAt.Before(midnight) {
			break
		}
		n++
		sum = sumProgress(map[schoolbell.Channel]schoolbell.ChannelProgress{"": sum, "all": allWaves(ev.Progress)})
	}
	failed := tile{Name: "Failed", Value: site.Number(sum.Failed + sum.Bounced + sum.Complained), Hint: "refused, bounced or given up"}
	if failed.Value != "0" {
		failed.Class = "bad"
	}
	return []tile{{Name: "Messages today", Value: site.Number(sum.Total - sum.Suppressed), Hint: "in " + site.Count(n, "event", "events")},
		{Name: "Sent", Value: site.Number(sum.Sent), Hint: site.Number(sum.Pending) + " still to come"}, failed,
		{Name: "Uncertain", Value: site.Number(sum.Uncertain), Hint: "sent once or twice"},
		{Name: "Left out", Value: site.Number(sum.Suppressed), Hint: "no address, opted out and so on"}}, nil
}

// upcoming are the scheduled events that are sent next.
func (s *Server) upcoming(ctx context.Context, groups []string, names site.Names) ([]eventRow, error) {
	events, err := s.cfg.Overview.CountedEvents(ctx, schoolbell.EventFilter{Status: schoolbell.EventScheduled, Within: groups}, "", recentEvents)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(events, func(a, b ledger.CountedEvent) int { return a.SendAt.Compare(b.SendAt) })
	return s.eventRows(events[:min(len(events), shownUpcoming)], names), nil
}

// findings are what needs somebody: held events, and events of the last days of which deliveries failed.
func (s *Server) findings(ctx context.Context, groups []string) (found []finding, err error) {
	held, err := s.cfg.Store.Events(ctx, schoolbell.EventFilter{Status: schoolbell.EventHeld, Within: groups}, "", recentEvents)
	if err != nil {
		return nil, err
	}
	if len(held) == 1 {
		found = append(found, finding{"held", "events/" + held[0].ID, "1 event is held", held[0].Title + ": release it or cancel it."})
	} else if len(held) > 1 {
		found = append(found, finding{"held", "events?status=held", site.Count(len(held), "event is", "events are") + " held", "Release them or cancel them."})
	}
	done, err := s.cfg.Overview.CountedEvents(ctx, schoolbell.EventFilter{Status: schoolbell.EventCompleted, Within: groups}, "", recentEvents)
	if err != nil {
		return nil, err
	}
	for _, ev := range done {
		if s.site.Now().Sub(ev.CreatedAt) > recentPeriod {
			break
		}
		if sum := allWaves(ev.Progress); sum.Failed > 0 {
			found = append(found, finding{"failed", "events/" + ev.ID + "?status=failed#people", site.Count(sum.Failed, "delivery", "deliveries") + " failed",
				ev.Title + ", " + s.site.When(ev.CreatedAt).Text})
		}
	}
	return found, nil
}

// trafficAge is how old what charts show may be.
const trafficAge = 10 * time.Second

// traffic returns the chart of a period.
func (s *Server) traffic(ctx context.Context, p chart.Period) (chart.Traffic, error) {
	return cache.Get(s.cache, "traffic "+p.ID, trafficAge, func() (chart.Traffic, error) {
		first := s.site.Now().Truncate(p.Step).Add(p.Step - p.Span)
		steps, err := s.cfg.Overview.Traffic(ctx, first, p.Step)
		if err != nil {
			return chart.Traffic{}, err
		}
		return chart.New(p, first, steps, chart.Style{Channels: s.cfg.Channels, Zone: s.site.Zone(), Name: site.ChannelName, Number: site.Number,
			When: func(at time.Time) string { return s.site.When(at).Text }}), nil
	})
}
