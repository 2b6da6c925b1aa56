package panel

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"schoolbell"
	"schoolbell/internal/panel/site"
)

var changePage = parse("eventchange.html", "composefields.html", "composewho.html")

// changeView is the form with which an event is changed.
type changeView struct {
	composeView
	ID       string
	Revision int
	Sent     bool // messages were sent: those who have it are told of the change
	Who      bool // the form can say who gets the event
	For      string
}

// Refused is the heading over what is wrong with the form.
func (v changeView) Refused() string { return "The event was not changed" }

// mayChange reports whether an event can be changed at all.
func mayChange(ev *schoolbell.Event) bool {
	return !ev.Digest && ev.Status != schoolbell.EventCancelled && ev.Status != schoolbell.EventHeld
}

// wasSent reports whether messages of an event were or are being sent.
func wasSent(ev *schoolbell.Event) bool {
	return ev.Status != schoolbell.EventScheduled && ev.Status != schoolbell.EventQueued
}

// toChange reads an event that the account may change.
func (s *Server) toChange(c *site.Call) (*schoolbell.Event, error) {
	ev, err := s.cfg.Store.Event(c.Ctx(), c.R.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if ev.Lane == schoolbell.LaneUrgent && !c.Account.MayUrgent() {
		return nil, noUrgent()
	}
	if !mayChange(ev) {
		return nil, &schoolbell.Error{Code: schoolbell.CodeConflict, Message: "the event cannot be changed: it is " + string(ev.Status)}
	}
	return ev, nil
}

func (s *Server) editEvent(c *site.Call) error {
	ev, err := s.toChange(c)
	if err != nil {
		return err
	}
	return s.writeChange(c, http.StatusOK, ev, s.formOf(ev), nil)
}

// writeChange shows the form of an event's change, and what is wrong with it.
func (s *Server) writeChange(c *site.Call, status int, ev *schoolbell.Event, form composeForm, refused error) error {
	v := changeView{composeView: composeView{Form: form, Urgent: ev.Lane == schoolbell.LaneUrgent}, ID: ev.ID, Revision: ev.Revision,
		Sent: wasSent(ev), For: site.AudienceWords(ev.Audience), Who: !wasSent(ev) && s.formOf(ev).says(ev.Audience)}
	v.Faults = composeFaults(refused)
	v.Summary = summaryOf(v.Faults)
	v.Step, v.Root, v.Offered = c.Root()+"events/"+url.PathEscape(ev.ID)+"/change/form", c.Root(), s.languagesFor(form)
	if err := s.offer(c, &v.composeView); err != nil {
		return err
	}
	spec := site.Spec{Title: "Change", Path: "events", Crumbs: []site.Crumb{{Name: "Events", Path: "events"}, {Name: ev.Title, Path: "events/" + url.PathEscape(ev.ID)}}, Status: status}
	return s.site.Write(c, changePage, spec, v)
}

// formOf is the form that describes an event.
func (s *Server) formOf(ev *schoolbell.Event) composeForm {
	f := composeForm{Title: ev.Title, Body: ev.Body, Category: string(ev.Category), Place: ev.Location, Starts: s.local(ev.StartsAt), Ends: s.local(ev.EndsAt),
		SendAt: s.local(ev.SendAt), Expires: s.local(ev.ExpiresAt), Channels: site.Typed[string](ev.Channels)}
	for _, language := range sortedKeys(ev.Texts) {
		f.Texts = append(f.Texts, composeText{language, ev.Texts[language].Title, ev.Texts[language].Body})
	}
	f.takeAudience(ev.Audience)
	return f
}

// local writes a time as fields of dates and times have it, in the zone of the school.
func (s *Server) local(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	at = at.In(s.site.Zone())
	if at.Second() != 0 {
		return at.Format("2006-01-02T15:04:05")
	}
	return at.Format("2006-01-02T15:04")
}

// says reports whether a form can say all of an audience.
func (f composeForm) says(a schoolbell.Audience) bool {
	ev, _ := f.event(time.UTC)
	return ev.Audience.Equal(a)
}

// changed is what a form changes of an event, which another form describes as it is. Once messages were sent, the form has fewer fields.
func (s *Server) changed(form, was composeForm, ev *schoolbell.Event) (c schoolbell.EventChange, faults schoolbell.Faults) {
	to, faults := form.event(s.site.Zone())
	text := func(differs bool, value *string) *string {
		if differs {
			return value
		}
		return nil
	}
	at := func(differs bool, value *time.Time) *time.Time {
		if differs {
			return value
		}
		return nil
	}
	c.Title, c.Body, c.Location = text(form.Title != was.Title, &to.Title), text(form.Body != was.Body, &to.Body), text(form.Place != was.Place, &to.Location)
	c.StartsAt, c.EndsAt, c.ExpiresAt = at(form.Starts != was.Starts, &to.StartsAt), at(form.Ends != was.Ends, &to.EndsAt), at(form.Expires != was.Expires, &to.ExpiresAt)
	if !slices.Equal(form.Texts, was.Texts) {
		texts := map[string]schoolbell.EventText{}
		for language, text := range to.Texts {
			text.Location = ev.Texts[language].Location
			texts[language] = text
		}
		c.Texts = &texts
	}
	if wasSent(ev) {
		return c, faults
	}
	c.SendAt = at(form.SendAt != was.SendAt, &to.SendAt)
	if !schoolbell.SameSet(form.Channels, was.Channels) {
		c.Channels = to.Channels
	}
	if was.says(ev.Audience) && !to.Audience.Equal(ev.Audience) {
		c.Audience = &to.Audience
	}
	return c, faults
}

// changeStep shows the form of an event's change with what a button of it adds or removes.
func (s *Server) changeStep(c *site.Call) error {
	ev, err := s.toChange(c)
	if err != nil {
		return err
	}
	form := readComposeForm(c.Form)
	form.step(c.Form, s.cfg.Settings().Language)
	if part := s.stepPart(c); part != "" {
		v := composeView{Form: form, Step: c.ShownRoot() + "events/" + url.PathEscape(ev.ID) + "/change/form"}
		return s.writePart(c, part, v)
	}
	return s.writeChange(c, http.StatusOK, ev, form, nil)
}

// changeEvent changes an event of which nothing was sent.
func (s *Server) changeEvent(c *site.Call) error {
	return s.change(c, "changed", func(id string, change schoolbell.EventChange) error {
		_, err := s.cfg.Pipeline.Change(c.Ctx(), id, change)
		return err
	})
}

// updateEvent changes an event that was sent, and tells those who have it.
func (s *Server) updateEvent(c *site.Call) error {
	return s.change(c, "updated", func(id string, change schoolbell.EventChange) error {
		_, _, err := s.cfg.Pipeline.Update(c.Ctx(), id, change)
		return err
	})
}

func (s *Server) change(c *site.Call, done string, apply func(id string, change schoolbell.EventChange) error) error {
	ev, err := s.toChange(c)
	if err != nil {
		return err
	}
	form := readComposeForm(c.Form)
	change, faults := s.changed(form, s.formOf(ev), ev)
	if change.Audience != nil {
		outside, err := s.checkAudience(c, change.Audience, nil)
		if err != nil {
			return err
		}
		faults = append(faults, outside...)
	}
	err = faults.Err()
	switch {
	case err != nil:
	case c.Form.Get("revision") != strconv.Itoa(ev.Revision):
		err = schoolbell.Invalid(site.WholeForm, "the event was changed by somebody else while you wrote. Look at it, and save again to change it to what is here")
	case len(change.Fields()) == 0:
		err = schoolbell.Invalid(site.WholeForm, "nothing is changed yet")
	default:
		err = apply(ev.ID, change)
	}
	switch schoolbell.CodeOf(err) {
	case schoolbell.CodeConflict: // it may be sent by now
		if ev, failed := s.cfg.Store.Event(c.Ctx(), ev.ID); failed == nil && mayChange(ev) {
			return s.writeChange(c, http.StatusConflict, ev, form, schoolbell.Invalid(site.WholeForm, "%s", site.MessageOf(err)))
		}
	case schoolbell.CodeInvalid:
		return s.writeChange(c, http.StatusUnprocessableEntity, ev, form, err)
	}
	if err != nil {
		return err
	}
	return c.Redirect("events/" + url.PathEscape(ev.ID) + "?done=" + done)
}
