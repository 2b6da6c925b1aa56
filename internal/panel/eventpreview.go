package panel

import (
	"net/url"

	"schoolbell"
	"schoolbell/internal/panel/site"
	"schoolbell/internal/preview"
)

var previewPage = parse("eventpreview.html", "count.html")

// previewView says what an event would do if it were sent now.
type previewView struct {
	ID, Title, Rest string
	User            string // id of the person whose messages are shown; empty for anybody
	Fault           string // what is wrong with the id
	Count           countView
}

// mayPreview reports whether nothing of an event was sent yet.
func mayPreview(ev *schoolbell.Event) bool { return !wasSent(ev) && !ev.Digest }

// previewEvent shows what an event would do that was not sent yet.
func (s *Server) previewEvent(c *site.Call) error {
	ev, err := s.cfg.Store.Event(c.Ctx(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	back := "events/" + url.PathEscape(ev.ID)
	if !mayPreview(ev) {
		return c.Redirect(back) // its page says what it has done
	}
	v := previewView{ID: ev.ID, Title: ev.Title, Rest: s.rest(ev, schoolbell.ChannelProgress{}), User: c.R.URL.Query().Get("user")}
	shown := preview.Options{User: v.User}
	who := ""
	if shown.User != "" {
		if who, err = s.nameOf(c, shown.User); err != nil {
			return err
		}
		if who == "" {
			shown.User, v.Fault = "", "There is no such person."
		}
	}
	if v.Count, err = s.countStored(c, ev, shown); err != nil {
		return err
	}
	v.Count.Who = who
	return s.site.Write(c, previewPage, site.Spec{Title: "Preview", Path: "events", Crumbs: []site.Crumb{{Name: "Events", Path: "events"}, {Name: ev.Title, Path: back}}}, v)
}

// countStored previews a stored event.
func (s *Server) countStored(c *site.Call, ev *schoolbell.Event, o preview.Options) (countView, error) {
	found, err := s.cfg.Previews.PreviewStored(c.Ctx(), ev, o)
	if schoolbell.CodeOf(err) == schoolbell.CodeInvalid {
		return countView{Problems: summaryOf(composeFaults(err))}, nil
	}
	if err != nil {
		return countView{}, err
	}
	return s.newCount(c, found, true)
}

// nameOf returns the name of a person whom the account sees, or an empty one.
func (s *Server) nameOf(c *site.Call, id string) (string, error) {
	if c.Account.Limited() {
		within, err := s.cfg.Areas.PeopleWithin(c.Ctx(), c.Account.Groups, []string{id})
		if err != nil || !within[id] {
			return "", err
		}
	}
	names, err := s.cfg.Directory.Names(c.Ctx(), []string{id})
	return names[id], err
}
