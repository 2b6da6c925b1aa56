package panel

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/panel/site"
	"schoolbell/internal/staff"
)

var draftsPage = parse("drafts.html")

// statusDraft is the status of what is not an event yet. No event of the ledger has it.
const statusDraft schoolbell.EventStatus = "draft"

// draftsView is the list of an account's drafts.
type draftsView struct {
	Tabs []statusTab
	Rows []draftRow
}

// draftRow is a draft in the list.
type draftRow struct {
	ID, Title, For string
	Category       site.CategoryBadge
	Saved          site.Moment
}

// savedView says when the draft of a form was saved, or why it was not.
type savedView struct {
	At      site.Moment
	Problem string
}

func (s *Server) listDrafts(c *site.Call) error {
	all, err := s.cfg.Drafts.All(c.Ctx(), c.Account.ID)
	if err != nil {
		return err
	}
	v := draftsView{}
	if v.Tabs, err = s.eventTabs(c, func(st schoolbell.EventStatus) bool { return st == statusDraft }); err != nil {
		return err
	}
	names, err := s.site.Names(c.Ctx())
	if err != nil {
		return err
	}
	for _, d := range all {
		form, err := formOfDraft(d)
		if err != nil {
			return err
		}
		ev, _ := form.event(s.site.Zone())
		row := draftRow{ID: d.ID, Title: draftTitle(d), Category: names.Category(ev.Category), For: "nobody yet", Saved: s.site.When(d.SavedAt)}
		if !ev.Audience.Empty() || !ev.Audience.GuardiansOf.Empty() {
			row.For = site.AudienceWords(ev.Audience)
		}
		v.Rows = append(v.Rows, row)
	}
	return s.site.Write(c, draftsPage, site.Spec{Title: "Drafts", Path: "events", Crumbs: []site.Crumb{{Name: "Events", Path: "events"}}}, v)
}

func draftTitle(d staff.Draft) string { return cmp.Or(d.Title, "Without a title") }

// formOfDraft reads the form that a draft keeps.
func formOfDraft(d staff.Draft) (form composeForm, err error) {
	if err := json.Unmarshal(d.Form, &form); err != nil {
		return form, fmt.Errorf("read the form of a draft: %w", err)
	}
	form.Key = d.ID
	return form, nil
}

// showDraft shows the form of a draft, so that it can be continued and sent.
func (s *Server) showDraft(c *site.Call) error {
	d, err := s.cfg.Drafts.Draft(c.Ctx(), c.Account.ID, c.R.PathValue("id"))
	if err != nil {
		return err
	}
	form, err := formOfDraft(d)
	if err != nil {
		return err
	}
	urgent, err := s.formUrgent(c, form)
	if err != nil {
		return err
	}
	return s.writeCompose(c, http.StatusOK, composeView{Form: form, Urgent: urgent, Saved: savedView{At: s.site.When(d.SavedAt)}})
}

// saveDraft keeps a form that is not sent yet. A page that saves itself gets only what is said of it.
func (s *Server) saveDraft(c *site.Call) error {
	form := readComposeForm(c.Form)
	itself := c.R.Header.Get("HX-Request") != ""
	if itself && form.Title == "" && form.Body == "" {
		c.W.WriteHeader(http.StatusNoContent) // nothing is lost if the page is left
		return nil
	}
	if _, err := s.formUrgent(c, form); err != nil {
		return err
	}
	d, err := s.putDraft(c, form)
	if itself {
		return s.tellSaved(c, d, err)
	}
	if err != nil {
		return err
	}
	return c.Redirect("drafts/" + url.PathEscape(d.ID) + "?done=draft")
}

func (s *Server) putDraft(c *site.Call, form composeForm) (staff.Draft, error) {
	form.Confirm = "" // people type it each time
	said, err := json.Marshal(form)
	if err != nil {
		return staff.Draft{}, err
	}
	return s.cfg.Drafts.Save(c.Ctx(), staff.Draft{ID: form.Key, Account: c.Account.ID, Title: draftLine(form.Title), Form: said})
}

// draftLine is the title of a draft, which need not be one that an event may have.
func draftLine(title string) string {
	return site.Shorten(strings.ReplaceAll(title, "\x00", ""), 4*schoolbell.MaxTitleLength)
}

// tellSaved answers a page that has saved itself.
func (s *Server) tellSaved(c *site.Call, d staff.Draft, err error) error {
	v := savedView{At: s.site.When(d.SavedAt)}
	switch schoolbell.CodeOf(err) {
	case schoolbell.CodeInvalid, schoolbell.CodeConflict:
		v = savedView{Problem: "Not saved: " + site.MessageOf(err) + "."}
	default:
		if err != nil {
			return err
		}
	}
	return s.site.Render(c, http.StatusOK, composePage, "saved-alone", site.Page{View: v})
}

// dropDraft removes the draft of a form that was sent. What stays behind is no harm: its form cannot be sent twice.
func (s *Server) dropDraft(c *site.Call, id string) {
	if err := s.cfg.Drafts.Remove(ledger.WithChange(c.Ctx(), nil), c.Account.ID, id); err != nil {
		s.site.Log.WarnContext(c.Ctx(), "the draft of an event that was sent is still there", "error", err)
	}
}

func (s *Server) askRemoveDraft(c *site.Call) error {
	d, err := s.cfg.Drafts.Draft(c.Ctx(), c.Account.ID, c.R.PathValue("id"))
	if err != nil {
		return err
	}
	return s.site.Confirm(c, "events", []site.Crumb{{Name: "Events", Path: "events"}, {Name: "Drafts", Path: "drafts"}}, site.Confirmation{
		Title: "Remove", Question: "Remove this draft?", About: draftTitle(d),
		Says:  []string{"What is written in it is lost."},
		Facts: []site.Fact{{Name: "Saved", When: s.site.When(d.SavedAt)}},
		Keep:  "Keep the draft", Back: "drafts", Do: "Remove the draft",
	})
}

func (s *Server) removeDraft(c *site.Call) error {
	if err := s.cfg.Drafts.Remove(c.Ctx(), c.Account.ID, c.R.PathValue("id")); err != nil {
		return err
	}
	return c.Redirect("drafts?done=discarded")
}
