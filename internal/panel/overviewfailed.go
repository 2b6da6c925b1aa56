package panel

import (
	"context"
	"slices"
	"time"

	"schoolbell"
	"schoolbell/internal/panel/chart"
)

const (
	failedPeriod = 24 * time.Hour
	failedAge    = time.Minute // of what the overview says about it
	failedEvents = 20          // of which causes are read
	shownCauses  = 6
)

// failedView is what failed in the events of the last 24 hours, by cause.
type failedView struct {
	Count  int
	Causes []failedCause
}

// failedCause is a cause with the event in which most deliveries failed for it.
type failedCause struct {
	Text, Path string
	Count      int
	Bar        chart.Bar
	most       int
}

// failedToday adds up the causes of the events of the last 24 hours, of those within groups if there are any.
func (s *Server) failedToday(ctx context.Context, groups []string) (v failedView, err error) {
	events, err := s.cfg.Overview.CountedEvents(ctx, schoolbell.EventFilter{Within: groups}, "", todayEvents)
	if err != nil {
		return v, err
	}
	read := 0
	for _, ev := range events {
		if s.site.Now().Sub(ev.CreatedAt) > failedPeriod || read == failedEvents {
			break
		}
		if sum := allWaves(ev.Progress); sum.Failed+sum.Bounced+sum.Complained == 0 {
			continue
		}
		read++
		found, err := s.failures(ctx, ev.ID)
		if err != nil {
			return v, err
		}
		for _, g := range found.Groups {
			v.add(g)
		}
	}
	slices.SortStableFunc(v.Causes, func(a, b failedCause) int { return b.Count - a.Count })
	v.Causes = v.Causes[:min(len(v.Causes), shownCauses)]
	for i := range v.Causes {
		c := &v.Causes[i]
		c.Bar = newBar(schoolbell.ChannelProgress{Total: v.Count, Failed: c.Count})
	}
	return v, nil
}

func (v *failedView) add(g failureGroup) {
	at := slices.IndexFunc(v.Causes, func(c failedCause) bool { return c.Text == g.Text })
	if at < 0 {
		at = len(v.Causes)
		v.Causes = append(v.Causes, failedCause{Text: g.Text})
	}
	c := &v.Causes[at]
	if v.Count, c.Count = v.Count+g.Count, c.Count+g.Count; g.Count > c.most {
		c.most, c.Path = g.Count, "events/"+g.URL
	}
}
