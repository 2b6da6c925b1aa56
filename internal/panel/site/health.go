package site

import (
	"context"

	"schoolbell/internal/health"
	"schoolbell/internal/panel/live"
)

// Health is a line about what the server runs on.
type Health struct {
	Text   string // empty if nothing is known
	Status string // up, degraded or down
}

// health returns the line of each page, which names what is unavailable, and what follows from that.
func (s *Site) health(ctx context.Context) (Health, []Outage) {
	if s.cfg.Health == nil {
		return Health{}, nil
	}
	r := s.cfg.Health(ctx)
	return healthOf(r), s.outagesOf(r)
}

func healthOf(r health.Readiness) Health {
	var down []string
	for _, d := range r.Dependencies {
		if shown := DependencyOf(d); shown.Status != "up" {
			down = append(down, shown.Name)
		}
	}
	h := Health{Text: "All working", Status: "up"}
	switch {
	case len(r.Dependencies) == 0:
		return Health{}
	case len(down) == 1:
		h.Text, h.Status = down[0]+" is unavailable", "degraded"
	case len(down) == 2:
		h.Text, h.Status = Join(down)+" are unavailable", "degraded"
	case len(down) > 2:
		h.Text, h.Status = down[0]+" and "+Number(len(down)-1)+" more are unavailable", "degraded"
	}
	if !r.Accepting {
		h.Status = "down"
	}
	return h
}

// healthPart is the name of the part of open pages with the line.
const healthPart = "health"

// addHealth returns the parts of a page with the line and the outages. Others who follow the page may be at another URL, so each gets
// their own.
func (s *Site) addHealth(c *Call, made live.Parts) (live.Parts, error) {
	h, outages := s.health(c.Ctx())
	if h.Text == "" {
		return made, nil
	}
	line, err := RenderParts(problemPage, Page{Root: rootOfPage(c), Health: h, Outages: outages}, healthPart, outagePart)
	if err != nil {
		return nil, err
	}
	for name, html := range made {
		line[name] = html
	}
	return line, nil
}
