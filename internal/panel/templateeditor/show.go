package templateeditor

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/panel/site"
	"schoolbell/internal/templates"
)

// shownView is the message of a template, and with whom and what it is shown.
type shownView struct {
	Channel       string
	Wrong         []templateFault // why there is no message
	Subject, Text string
	Segments      int // of a text message
	People        []site.Option
	Nobody        string // text with which nobody was found
	Events        []site.Option
	Variables     []schoolbell.TemplateVariable
	Stored        bool // it is a version, which the frame can ask for
}

const (
	shownPeople  = 20 // that are found
	shownOfValue = 60 // bytes
	shownEvents  = 50 // that are looked through for those of a category
)

// shown makes the message of a form. What is wrong with the template is part of the view.
func (p *Pages) shown(ctx context.Context, key schoolbell.TemplateKey, form templateForm) (v shownView, err error) {
	v = shownView{Channel: string(key.Channel)}
	if err := p.people(ctx, &form, &v); err != nil {
		return v, err
	}
	if err := p.eventsToShow(ctx, key, form, &v); err != nil {
		return v, err
	}
	v.Variables = p.cfg.Templates.Variables(ctx, key, form.with())
	for i := range v.Variables {
		v.Variables[i].Value = site.Shorten(v.Variables[i].Value, shownOfValue)
	}
	m, err := p.cfg.Templates.Show(ctx, form.template(key), form.with())
	switch {
	case schoolbell.CodeOf(err) == schoolbell.CodeInvalid:
		v.Wrong = noted(templateFields(key.Channel, form), err)
		return v, nil
	case err != nil:
		return v, err
	}
	v.Subject, v.Text = m.Subject, m.Text.String()
	if key.Channel == schoolbell.ChannelSMS {
		v.Segments = templates.Segments(v.Text)
	}
	return v, nil
}

// people offers the person of a form and those that its search finds. One that is found alone is chosen.
func (p *Pages) people(ctx context.Context, form *templateForm, v *shownView) error {
	var found []*schoolbell.User
	if form.Find != "" {
		var err error
		if found, err = p.cfg.Directory.Find(ctx, schoolbell.UserFilter{Text: form.Find}, schoolbell.UserPlace{}, shownPeople); err != nil {
			return err
		}
		if len(found) == 1 {
			form.User = found[0].ID
		}
		if len(found) == 0 {
			v.Nobody = form.Find
		}
	}
	v.People = []site.Option{{Value: "", Name: "A made-up parent", Current: form.User == ""}}
	if form.User != "" && !slices.ContainsFunc(found, func(u *schoolbell.User) bool { return u.ID == form.User }) {
		u, err := p.cfg.People.User(ctx, form.User)
		switch {
		case schoolbell.CodeOf(err) == schoolbell.CodeNotFound:
			form.User, v.People[0].Current = "", true
		case err != nil:
			return err
		default:
			v.People = append(v.People, site.Option{Value: u.ID, Name: personOption(u), Current: true})
		}
	}
	for _, u := range found {
		v.People = append(v.People, site.Option{Value: u.ID, Name: personOption(u), Current: u.ID == form.User})
	}
	return nil
}

func personOption(u *schoolbell.User) string {
	return cmp.Or(u.Name, u.ID) + " (" + strings.ToLower(site.RolesOf(u)) + ")"
}

// eventsToShow offers the newest events of a category.
func (p *Pages) eventsToShow(ctx context.Context, key schoolbell.TemplateKey, form templateForm, v *shownView) error {
	found, err := p.cfg.Events.Events(ctx, schoolbell.EventFilter{}, "", shownEvents)
	if err != nil {
		return err
	}
	v.Events = []site.Option{{Value: "", Name: "A made-up event", Current: form.Event == ""}}
	for _, ev := range found {
		if (ev.Category == key.Category || ev.ID == form.Event) && len(v.Events) <= 10 {
			v.Events = append(v.Events, site.Option{Value: ev.ID, Name: site.Shorten(ev.Title, 60), Current: ev.ID == form.Event})
		}
	}
	return nil
}

// previewTemplate shows a draft. A page that follows the form gets only the parts that change.
func (p *Pages) previewTemplate(c *site.Call) error {
	key, used, err := p.templateOf(c)
	if err != nil {
		return err
	}
	form := readTemplateForm(c.Form)
	if c.R.Header.Get("HX-Request") == "" {
		v := templateView{Form: form, Wrong: "The template has a fault"}
		if _, err := p.cfg.Templates.Show(c.Ctx(), form.template(key), form.with()); schoolbell.CodeOf(err) == schoolbell.CodeInvalid {
			return p.refuseTemplate(c, key, used, v, err)
		}
		return p.writeTemplate(c, http.StatusOK, key, used, v)
	}
	v := templateView{Form: form, Fields: templateFields(key.Channel, form)}
	if v.Shown, err = p.shown(c.Ctx(), key, form); err != nil {
		return err
	}
	for _, fault := range v.Shown.Wrong {
		for i := range v.Fields {
			if v.Fields[i].Name == fault.Field {
				v.Fields[i].Fault = fault
			}
		}
	}
	part := "previewed"
	if c.R.Header.Get("HX-Target") == "as" {
		part = "people"
	}
	return p.site.Render(c, http.StatusOK, templatePage, part, p.site.NewPage(c, "", v))
}

// frameTemplate answers the frame of the editor with the email of a draft, or of a version.
func (p *Pages) frameTemplate(c *site.Call) error {
	key, used, err := p.templateOf(c)
	if err != nil {
		return err
	}
	var form templateForm
	if c.R.Method == http.MethodPost {
		form = readTemplateForm(c.Form)
	} else if form, _, err = p.templateText(c, key, used); err != nil {
		return err
	}
	m, err := p.cfg.Templates.Show(c.Ctx(), form.template(key), form.with())
	c.W.Header().Set("Content-Security-Policy", p.emailPolicy())
	if schoolbell.CodeOf(err) == schoolbell.CodeInvalid {
		return p.site.Render(c, http.StatusUnprocessableEntity, templatePage, "unshown", site.Page{View: noted(templateFields(key.Channel, form), err)})
	}
	if err != nil {
		return err
	}
	c.W.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = c.W.Write([]byte(m.HTML.String())) // the client may have gone
	return nil
}

// emailPolicy is that of caught mail, and allows the logo of the school.
func (p *Pages) emailPolicy() string {
	const images = "img-src data:"
	return strings.Replace(site.MailPolicy, images, images+p.logoOrigin(), 1)
}

// logoOrigin is the origin of the logo of the school, for a policy, with a space before it.
func (p *Pages) logoOrigin() string {
	u, err := url.Parse(p.cfg.Settings().Logo)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.ContainsAny(u.Host, "; ,") {
		return ""
	}
	return " https://" + u.Host
}

// testView is what came of a test.
type testView struct {
	OK   bool
	Text string // empty for no test
}

// testTemplate sends the email of a draft to the account, and says what the provider answered.
func (p *Pages) testTemplate(c *site.Call) error {
	key, used, err := p.templateOf(c)
	if err != nil {
		return err
	}
	ledger.ChangeOf(c.Ctx()).Target(templates.ID(key))
	form := readTemplateForm(c.Form)
	v := templateView{Form: form, Wrong: "No test is sent"}
	result, err := p.cfg.Templates.Test(c.Ctx(), form.template(key), form.with(), c.Account.Name, c.Account.Email)
	if schoolbell.CodeOf(err) == schoolbell.CodeInvalid {
		return p.refuseTemplate(c, key, used, v, err)
	}
	if err != nil {
		return err
	}
	ledger.ChangeOf(c.Ctx()).Set("result", string(result.Verdict))
	ledger.ChangeOf(c.Ctx()).Done()
	v.Tested = testWords(result, c.Account.Email, p.cfg.Templates.Emails().Captured)
	return p.writeTemplate(c, http.StatusOK, key, used, v)
}

// testWords says what came of a test.
func testWords(r schoolbell.Result, to string, captured bool) testView {
	why := ""
	if r.Reason != "" {
		why = " It says: " + site.Sentence(r.Reason)
	}
	switch {
	case r.Verdict == schoolbell.VerdictSent && captured:
		return testView{true, "The test for " + to + " is captured by this program. Without a mail server, no email is sent."}
	case r.Verdict == schoolbell.VerdictSent:
		return testView{true, "The mail server has taken the test for " + to + "."}
	case r.Verdict == schoolbell.VerdictUncertain:
		return testView{false, "The answer of the mail server was lost. The test for " + to + " may have arrived." + why}
	case r.Verdict == schoolbell.VerdictGiveUp:
		return testView{false, "The mail server has refused the test for " + to + "." + why}
	case r.Verdict == schoolbell.VerdictUntried:
		return testView{false, "The test was not sent: the mail server could not be reached in time." + why}
	}
	return testView{false, "The mail server has not taken the test for " + to + " now." + why}
}
