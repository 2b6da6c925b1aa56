package panel

import (
	"context"
	"slices"
	"time"

	"schoolbell"
)

var overviewPage = parse("overview.html")

// overviewView is what the staff sees first.
type overviewView struct {
	Today     string
	Running   []eventRow
	Upcoming  []eventRow
	Attention []finding
}

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
		made, err := renderParts(overviewPage, page{Root: root, View: v}, "running", "upcoming", "attention")
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
	v.Attention, err = s.findings(ctx)
	return v, err
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
