package panel

import (
	"context"
	"slices"
	"time"

	"schoolbell"
	"schoolbell/internal/health"
)

var overviewPage = parse("overview.html")

// overviewView is what the staff sees first.
type overviewView struct {
	Today     string
	Running   []eventRow
	Upcoming  []eventRow
	Attention []finding
	Parts     []dependency
	Tiles     []tile
}

// dependency is something that the server needs, and whether it works.
type dependency struct{ Name, Icon, Detail, Status, Word string }

// tile is one number.
type tile struct{ Name, Value, Hint, Class string }

// finding is something that somebody should look at.
type finding struct{ Mark, Path, Title, Text string }

const (
	shownRunning  = 10
	shownUpcoming = 5
	recentEvents  = 50 // of which failures are shown
	recentPeriod  = 7 * 24 * time.Hour
)

func (s *Server) showOverview(c *call) error {
	v, err := s.overview(c.ctx())
	if err != nil {
		return err
	}
	return s.write(c, overviewPage, pageSpec{title: "Overview", live: "live"}, v)
}

// streamOverview sends the parts of the overview that have changed.
func (s *Server) streamOverview(c *call) error {
	root := c.root()
	return s.follow(c, "overview", func(ctx context.Context) (parts, bool, error) {
		v, err := s.overview(ctx)
		if err != nil {
			return nil, false, err
		}
		made, err := renderParts(overviewPage, page{Root: root, View: v}, "running", "upcoming", "attention", "parts", "tiles")
		return made, false, err
	})
}

func (s *Server) overview(ctx context.Context) (v overviewView, err error) {
	v.Today = s.now().In(s.zone()).Format("Monday 2 January, 15:04")
	names, err := s.names(ctx)
	if err != nil {
		return v, err
	}
	for _, status := range []schoolbell.EventStatus{schoolbell.EventProcessing, schoolbell.EventQueued} {
		events, err := s.cfg.Store.Events(ctx, schoolbell.EventFilter{Status: status}, "", shownRunning-len(v.Running))
		if err != nil {
			return v, err
		}
		rows, err := s.eventRows(ctx, events, names)
		if err != nil {
			return v, err
		}
		if v.Running = append(v.Running, rows...); len(v.Running) == shownRunning {
			break
		}
	}
	if v.Upcoming, err = s.upcoming(ctx, names); err != nil {
		return v, err
	}
	v.Tiles, v.Attention, err = s.recent.get(ctx, s)
	for _, d := range s.cfg.Health(ctx).Dependencies {
		v.Parts = append(v.Parts, dependencyOf(d))
	}
	return v, err
}

func dependencyOf(d health.DependencyStatus) dependency {
	shown := dependency{Name: statusWord(d.Name), Icon: "i-server", Detail: d.Detail, Status: "up", Word: "Works"}
	switch d.Name {
	case "ledger":
		shown.Icon = "i-db"
	case "redis":
		shown.Icon = "i-stack"
	default:
		shown.Name, shown.Icon = channelName(schoolbell.Channel(d.Name)), channelIcon(schoolbell.Channel(d.Name))
	}
	if shown.Detail == "" {
		shown.Detail = "answered in " + number(int(d.TookMS)) + " ms"
	}
	if d.Status != "ok" {
		shown.Status, shown.Word = "down", "Unavailable"
	}
	return shown
}

// todayEvents is how many events of a day are counted.
const todayEvents = 200

// today counts the deliveries of the events that were created today in the time zone of the school.
func (s *Server) today(ctx context.Context) ([]tile, error) {
	zone := s.zone()
	y, m, d := s.now().In(zone).Date()
	midnight := time.Date(y, m, d, 0, 0, 0, 0, zone)
	events, err := s.cfg.Store.Events(ctx, schoolbell.EventFilter{}, "", todayEvents)
	if err != nil {
		return nil, err
	}
	var sum schoolbell.ChannelProgress
	n := 0
	for _, ev := range events {
		if ev.CreatedAt.Before(midnight) {
			break
		}
		p, err := s.cfg.Store.Progress(ctx, ev.ID)
		if err != nil && schoolbell.CodeOf(err) != schoolbell.CodeNotFound {
			return nil, err
		}
		n++
		sum = sumProgress(map[schoolbell.Channel]schoolbell.ChannelProgress{"": sum, "all": allWaves(p)})
	}
	failed := tile{Name: "Failed", Value: number(sum.Failed + sum.Bounced + sum.Complained), Hint: "refused, bounced or given up"}
	if failed.Value != "0" {
		failed.Class = "bad"
	}
	return []tile{{Name: "Messages today", Value: number(sum.Total - sum.Suppressed), Hint: "in " + count(n, "event", "events")},
		{Name: "Sent", Value: number(sum.Sent), Hint: number(sum.Pending) + " still to come"}, failed,
		{Name: "Uncertain", Value: number(sum.Uncertain), Hint: "sent once or twice"},
		{Name: "Left out", Value: number(sum.Suppressed), Hint: "no address, opted out and so on"}}, nil
}

// upcoming are the scheduled events that are sent next.
func (s *Server) upcoming(ctx context.Context, names names) ([]eventRow, error) {
	events, err := s.cfg.Store.Events(ctx, schoolbell.EventFilter{Status: schoolbell.EventScheduled}, "", recentEvents)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(events, func(a, b *schoolbell.Event) int { return a.SendAt.Compare(b.SendAt) })
	return s.eventRows(ctx, events[:min(len(events), shownUpcoming)], names)
}

// findings are what needs somebody: held events, and events of the last days of which deliveries failed.
func (s *Server) findings(ctx context.Context) (found []finding, err error) {
	held, err := s.cfg.Store.Events(ctx, schoolbell.EventFilter{Status: schoolbell.EventHeld}, "", recentEvents)
	if err != nil {
		return nil, err
	}
	if len(held) == 1 {
		found = append(found, finding{"held", "events/" + held[0].ID, "1 event is held", held[0].Title + ": release it or cancel it."})
	} else if len(held) > 1 {
		found = append(found, finding{"held", "events?status=held", count(len(held), "event is", "events are") + " held", "Release them or cancel them."})
	}
	done, err := s.cfg.Store.Events(ctx, schoolbell.EventFilter{Status: schoolbell.EventCompleted}, "", recentEvents)
	if err != nil {
		return nil, err
	}
	for _, ev := range done {
		if s.now().Sub(ev.CreatedAt) > recentPeriod {
			break
		}
		p, err := s.cfg.Store.Progress(ctx, ev.ID)
		if err != nil {
			return nil, err
		}
		if sum := allWaves(p); sum.Failed > 0 {
			found = append(found, finding{"failed", "events/" + ev.ID + "?status=failed#people", count(sum.Failed, "delivery", "deliveries") + " failed",
				ev.Title + ", " + s.when(ev.CreatedAt).Text})
		}
	}
	return found, nil
}
