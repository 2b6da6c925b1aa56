package site

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"schoolbell"
	"schoolbell/internal/panel/live"
)

// RenderParts makes parts of a page: the templates of these names.
func RenderParts(t *Template, p Page, names ...string) (live.Parts, error) {
	made := live.Parts{}
	for _, name := range names {
		var b bytes.Buffer
		if err := t.ExecuteTemplate(&b, name, p); err != nil {
			return nil, fmt.Errorf("make the part %s of a page: %w", name, err)
		}
		made[name] = b.String()
	}
	return made, nil
}

// Follow answers with a stream of the parts of a topic that have changed. One call of makeParts serves all who follow the topic with the
// same groups. It reports whether these are the last parts.
func (s *Site) Follow(c *Call, name string, makeParts func(ctx context.Context) (live.Parts, bool, error)) error {
	return s.FollowEvery(c, name, 1, makeParts)
}

// FollowEvery is Follow for parts that are made less often: once in a number of times.
func (s *Site) FollowEvery(c *Call, name string, times int, makeParts func(ctx context.Context) (live.Parts, bool, error)) error {
	t, leave := s.live.Join(topicOf(c, name), time.Duration(times)*s.live.Interval, makeParts)
	defer leave()
	defer s.open.Follow(c.Session)()
	if _, _, err := t.Get(c.Ctx()); err != nil {
		return err
	}
	s.sendParts(c, t, live.Open(c.W))
	return nil
}

func (s *Site) sendParts(c *Call, t *live.Topic, out *live.Stream) {
	tick := time.NewTicker(s.live.Interval)
	defer tick.Stop()
	sent, said, checked := live.Parts{}, time.Now(), time.Now()
	for !out.Failed() {
		made, last, err := t.Get(c.Ctx())
		if err != nil {
			made = nil
		}
		shown, failed := s.addHealth(c, made) // also while the other parts cannot be made
		if err == nil {
			err = failed
		}
		for name, html := range shown {
			if before, known := sent[name]; !known || before != html {
				out.Part(name, html)
				sent[name], said = html, time.Now()
			}
		}
		switch {
		case schoolbell.CodeOf(err) == schoolbell.CodeNotFound:
			return
		case err != nil:
			s.Log.WarnContext(c.Ctx(), "live parts of a page wait for the ledger", "error", err)
		case last:
			out.End()
			return
		}
		if time.Since(said) >= s.cfg.Heartbeat {
			out.Alive()
			said = time.Now()
		}
		if time.Since(checked) >= live.CheckEvery {
			if why := s.whyEnded(c); why != "" {
				s.sayEnded(c, out, why)
				return
			}
			checked = time.Now()
		}
		select {
		case <-tick.C:
		case <-c.Ctx().Done():
			return
		case <-s.live.Ended():
			return
		}
	}
}

// whyEnded returns why the stream of a page must end: signedOut, otherRights, or "" if it goes on, with the groups that it began with.
// What is down does not end it.
func (s *Site) whyEnded(c *Call) string {
	a, ok, err := s.open.Account(c.Ctx(), s.cfg.Staff, c.Session)
	switch {
	case err != nil:
		return ""
	case !ok:
		return signedOut
	case !a.Role.Scope().Allows(c.route.Need) || !slices.Equal(a.Groups, c.Account.Groups):
		return otherRights
	}
	if err = s.checkLimit(c); schoolbell.CodeOf(err) == schoolbell.CodeNotFound {
		return otherRights
	}
	return ""
}
