package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/web"
)

// savedQuery is added to the link of the preference page after its form was stored.
const savedQuery = "saved"

// chooser is a person with a link to the preference page.
type chooser struct {
	user       *schoolbell.User
	categories []schoolbell.CategoryInfo
	wishes     []schoolbell.Preference // that are stored
	schedule   schoolbell.Schedule     // the person's own
	timezone   string                  // the person's own; may be empty
	feed       ledger.CalendarFeed
}

// choices are what a person wants.
type choices struct {
	wishes   []schoolbell.Preference
	schedule web.ScheduleChoice
	language string // BCP 47
}

// showChoices shows a person what reaches them, and how. It changes nothing.
func (s *Server) showChoices(w http.ResponseWriter, r *http.Request) {
	c, ok := s.chooser(w, r)
	if !ok {
		return
	}
	page := s.choicesPage(c, s.chosen(c))
	page.Saved = r.URL.Query().Has(savedQuery)
	page.Calendar.Changed = r.URL.Query().Has(web.CalendarField)
	written(s.frame(r, c.user.Locale).Choices(w, http.StatusOK, page))
}

// putChoices stores what the person with the link has changed. The link is the authority, so a form on another site
// cannot do it: it would have to know the link.
func (s *Server) putChoices(w http.ResponseWriter, r *http.Request) {
	c, ok := s.chooser(w, r)
	if !ok {
		return
	}
	form := choiceForm(w, r)
	if form.Has(web.CalendarField) {
		s.putCalendar(w, r, c, form.Get(web.CalendarField))
		return
	}
	wanted, err := s.wanted(c, form)
	if err == nil && len(wanted.schedule.Faults) > 0 {
		written(s.frame(r, c.user.Locale).Choices(w, http.StatusUnprocessableEntity, s.choicesPage(c, wanted)))
		return
	}
	if err == nil {
		err = s.store(r, c, wanted)
	}
	switch schoolbell.CodeOf(err) {
	case "":
		seeOther(w, r, savedQuery)
	case schoolbell.CodeUnavailable:
		s.notSaved(w, r, c, wanted, err)
	default:
		s.failPage(w, r, err)
	}
}

// store stores what the person has changed. A part that fails leaves those before it, and the person sees what is stored.
func (s *Server) store(r *http.Request, c chooser, wanted choices) error {
	if err := s.choose(r, c.user, "preferences", c.changed(wanted.wishes)...); err != nil {
		return err
	}
	if schedule := s.scheduleOf(c, wanted.schedule); schedule != c.schedule {
		if err := s.cfg.Schedules.Put(s.choosing(r, c.user, "user.put_schedule", "preferences"), c.user.ID, schedule); err != nil {
			return err
		}
	}
	if wanted.language == s.languageOf(c) {
		return nil
	}
	return s.cfg.Schedules.PutLanguage(s.choosing(r, c.user, "user.put_language", "preferences"), c.user.ID, wanted.language)
}

// notSaved answers with what the person wanted, for another attempt.
func (s *Server) notSaved(w http.ResponseWriter, r *http.Request, c chooser, wanted choices, err error) {
	page := s.choicesPage(c, wanted)
	page.NotSaved = true
	p := s.problem(r.Context(), err)
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	written(s.frame(r, c.user.Locale).Choices(w, p.Status, page))
}

// seeOther leads to the page of a form that was stored. The URL is relative: a proxy may serve it below another path.
func seeOther(w http.ResponseWriter, r *http.Request, query string) {
	w.Header().Set("Location", r.PathValue("token")+"?"+query)
	w.WriteHeader(http.StatusSeeOther)
}

// chooser returns the person with the link of a request, or answers it.
func (s *Server) chooser(w http.ResponseWriter, r *http.Request) (c chooser, ok bool) {
	link, err := s.cfg.Links.OpenPreferences(r.PathValue("token"))
	if err != nil {
		s.badLink(w, r, err)
		return c, false
	}
	if c, err = s.readChooser(r.Context(), link.User); err != nil {
		s.failPage(w, r, err)
		return c, false
	}
	return c, true
}

func (s *Server) readChooser(ctx context.Context, number int64) (c chooser, err error) {
	if c.user, err = s.cfg.People.UserByNumber(ctx, number); err != nil {
		return c, err
	}
	if c.categories, err = s.cfg.School.Categories(ctx); err != nil {
		return c, err
	}
	if c.wishes, err = s.cfg.People.Preferences(ctx, c.user.ID); err != nil {
		return c, err
	}
	if c.schedule, c.timezone, err = s.cfg.Schedules.Get(ctx, c.user.ID); err != nil {
		return c, err
	}
	c.feed, err = s.cfg.Calendars.Feed(ctx, c.user.ID)
	return c, err
}

// pageChannels are the columns of the preference page. The inbox has everything always.
func (s *Server) pageChannels() (channels []schoolbell.Channel) {
	for _, c := range s.cfg.Channels {
		if c != schoolbell.ChannelInApp {
			channels = append(channels, c)
		}
	}
	return channels
}

// wantedModes are the wishes in a form: one for each cell of the page. What the form does not have stays as it is.
func (c chooser) wantedModes(channels []schoolbell.Channel, form url.Values) (wishes []schoolbell.Preference) {
	for _, info := range c.categories {
		for _, channel := range channels {
			mode := modeOf(c.wishes, info.ID, channel)
			if field := web.ChoiceField(info.ID, channel); form.Has(field) {
				mode = schoolbell.Mode(form.Get(field))
			}
			wishes = append(wishes, schoolbell.Preference{Category: info.ID, Channel: channel, Mode: mode})
		}
	}
	return wishes
}

// changed are those wishes that are not what the person has already.
func (c chooser) changed(wishes []schoolbell.Preference) (changed []schoolbell.Preference) {
	for _, w := range wishes {
		if w.Mode != modeOf(c.wishes, w.Category, w.Channel) {
			changed = append(changed, w)
		}
	}
	return changed
}

// choicesPage is the preference page of a person who wants this. Categories that reach people whatever they choose are
// first, as they are what matters most.
func (s *Server) choicesPage(c chooser, wanted choices) web.Choices {
	page := web.Choices{Channels: s.pageChannels(), Schedule: wanted.schedule, Language: web.LanguageChoice{Now: s.languageOf(c), Wanted: wanted.language}}
	if c.feed.ID != 0 {
		page.Calendar.URL = s.calendarURL(c.feed)
	}
	for _, info := range c.categories {
		row := web.ChoiceRow{Category: info}
		for _, channel := range page.Channels {
			if !info.Mandatory {
				row.Cells = append(row.Cells, web.ChoiceCell{Field: web.ChoiceField(info.ID, channel), Mode: modeOf(wanted.wishes, info.ID, channel), Modes: schoolbell.ModesFor(info, channel)})
			}
		}
		page.Rows = append(page.Rows, row)
	}
	slices.SortStableFunc(page.Rows, func(a, b web.ChoiceRow) int { return rank(a.Category) - rank(b.Category) })
	for _, a := range c.user.Addresses {
		switch a.Channel {
		case schoolbell.ChannelEmail:
			page.Addresses = append(page.Addresses, a.Address)
		case schoolbell.ChannelSMS:
			page.Addresses = append(page.Addresses, hiddenNumber(a.Address))
			if a.State == schoolbell.AddressStopped {
				page.Stopped = append(page.Stopped, hiddenNumber(a.Address))
			}
		}
	}
	return page
}

// rank orders the rows of the preference page.
func rank(info schoolbell.CategoryInfo) int {
	switch {
	case info.Mandatory && info.Lane == schoolbell.LaneUrgent:
		return 0
	case info.Mandatory:
		return 1
	}
	return 2
}

// hiddenNumber is a phone number by which its owner recognizes it, and others cannot call.
func hiddenNumber(number string) string {
	const begin, end = 3, 3
	if len(number) <= begin+end {
		return hiddenSegment
	}
	return number[:begin] + " … " + number[len(number)-end:]
}
