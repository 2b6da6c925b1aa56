package settings

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/panel/site"
)

var (
	webhooksPage = parse("settings.html", "webhooks.html", "webhookform.html")
	webhookPage  = parse("settings.html", "webhook.html", "webhookform.html")
)

// webhooksView is the list of webhooks, and the form of a new one.
type webhooksView struct {
	Rows []webhookRow
	New  webhookForm
}

// webhookRow is a webhook in the list.
type webhookRow struct {
	ID, URL, Description, Types string
	Status, Word                string
	Enabled                     bool
}

// webhookForm is the form of a webhook.
type webhookForm struct {
	site.Faults
	URL, Description string
	Types            []site.Option
}

var webhookFields = site.Fields{{Field: "url", Label: "URL"}, {Field: "types", Label: "Messages"}, {Field: "description", Label: "Description"}}

// webhookWords says what each type of message tells.
var webhookWords = map[schoolbell.WebhookType]string{
	schoolbell.WebhookEventCompleted: "An event is completed", schoolbell.WebhookEventCancelled: "An event is cancelled",
	schoolbell.WebhookDeliveryFailed: "Deliveries failed", schoolbell.WebhookDeliveryBounced: "A message came back",
	schoolbell.WebhookUserOptedOut: "Somebody opted out", schoolbell.WebhookAddressSuppressed: "An address is suppressed",
}

func newWebhookForm(w schoolbell.Webhook) webhookForm {
	f := webhookForm{URL: w.URL, Description: w.Description}
	for _, t := range schoolbell.WebhookTypes() {
		f.Types = append(f.Types, site.Option{Value: string(t), Name: cmp.Or(webhookWords[t], string(t)), Current: slices.Contains(w.Types, t)})
	}
	return f
}

func readWebhook(form url.Values) schoolbell.Webhook {
	return schoolbell.Webhook{URL: strings.TrimSpace(form.Get("url")), Description: strings.TrimSpace(form.Get("description")), Types: site.Typed[schoolbell.WebhookType](form["types"])}
}

func (p *Pages) listWebhooks(c *site.Call) error {
	form := newWebhookForm(schoolbell.Webhook{Types: []schoolbell.WebhookType{schoolbell.WebhookEventCompleted, schoolbell.WebhookDeliveryFailed}})
	return p.writeWebhooks(c, http.StatusOK, form)
}

func (p *Pages) writeWebhooks(c *site.Call, status int, form webhookForm) error {
	all, err := p.cfg.Webhooks.Webhooks(c.Ctx())
	if err != nil {
		return err
	}
	v := webhooksView{New: form}
	for _, w := range all {
		v.Rows = append(v.Rows, p.webhookRow(w))
	}
	return p.writeSettings(c, webhooksPage, "settings/webhooks", status, v)
}

func (p *Pages) webhookRow(w schoolbell.Webhook) webhookRow {
	types := make([]string, len(w.Types))
	for i, t := range w.Types {
		types[i] = strings.ToLower(cmp.Or(webhookWords[t], string(t)))
	}
	r := webhookRow{ID: w.ID, URL: w.URL, Description: w.Description, Types: strings.Join(types, ", "), Status: "up", Word: "Works", Enabled: w.Enabled}
	switch {
	case w.DisabledReason == schoolbell.WebhookGone:
		r.Status, r.Word = "down", "Off: its receiver has gone"
	case w.DisabledReason == schoolbell.WebhookFailing:
		r.Status, r.Word = "down", "Off: it has failed for days"
	case !w.Enabled:
		r.Status, r.Word = "paused", "Off"
	case !w.FailingSince.IsZero():
		r.Status, r.Word = "degraded", "Fails since "+p.site.When(w.FailingSince).Text
	}
	return r
}

func (p *Pages) addWebhook(c *site.Call) error {
	form := readWebhook(c.Form)
	w, err := p.cfg.Webhooks.Create(c.Ctx(), form)
	if fault := site.FaultOf(err, site.WholeForm); fault != nil {
		v := newWebhookForm(form)
		v.Faults = webhookFields.Faults(fault)
		return p.writeWebhooks(c, http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return err
	}
	ledger.ChangeOf(c.Ctx()).Set("types", w.Types)
	return p.writeWebhookSecret(c, w, "The secret of the new webhook", "With it, the receiver checks that messages are Schoolbell's.")
}

func (p *Pages) writeWebhookSecret(c *site.Call, w schoolbell.Webhook, title, hint string) error {
	return p.writeSecret(c, "settings/webhooks", secretView{title, w.Secret.Reveal(), hint, "settings/webhooks/" + url.PathEscape(w.ID), "Webhooks"})
}

// webhookView is one webhook with its latest attempts.
type webhookView struct {
	webhookRow
	Form     webhookForm
	Attempts []attemptRow
	Older    string // URL; empty for none
	Refused  bool   // the receiver has not taken the test that was just sent
}

// attemptRow is one attempt to send a message to a webhook.
type attemptRow struct {
	When              site.Moment
	Type, Reply, Took string
	Number            int
	Failed            bool
}

const shownAttempts = 25

func (p *Pages) showWebhook(c *site.Call) error {
	w, err := p.cfg.Webhooks.Webhook(c.Ctx(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	return p.writeWebhook(c, http.StatusOK, w, newWebhookForm(w))
}

func (p *Pages) writeWebhook(c *site.Call, status int, w schoolbell.Webhook, form webhookForm) error {
	before, err := strconv.ParseInt(cmp.Or(c.R.URL.Query().Get("before"), "0"), 10, 64)
	if err != nil || before < 0 {
		return schoolbell.NotFound("page", c.R.URL.Query().Get("before"))
	}
	attempts, err := p.cfg.Webhooks.Attempts(c.Ctx(), w.ID, before, shownAttempts+1)
	if err != nil {
		return err
	}
	v := webhookView{webhookRow: p.webhookRow(w), Form: form, Refused: c.R.URL.Query().Get("failed") == "test"}
	if len(attempts) > shownAttempts {
		attempts = attempts[:shownAttempts]
		v.Older = "?before=" + strconv.FormatInt(attempts[shownAttempts-1].Seq, 10)
	}
	for _, a := range attempts {
		row := attemptRow{When: p.site.When(a.At), Type: string(a.Type), Number: a.Number, Took: site.Number(int(a.Duration/time.Millisecond)) + " ms", Failed: !a.OK(), Reply: a.Error}
		if a.OK() {
			row.Reply = "taken, " + strconv.Itoa(a.Status)
		}
		v.Attempts = append(v.Attempts, row)
	}
	spec := site.Spec{Title: webhookTitle(w), Path: "settings", Crumbs: []site.Crumb{toSettings, toWebhooks}, Status: status}
	return p.site.Write(c, webhookPage, spec, settingsView{settingsSections, "settings/webhooks", v})
}

func (p *Pages) changeWebhook(c *site.Call) error {
	form := readWebhook(c.Form)
	w, err := p.cfg.Webhooks.Change(c.Ctx(), c.R.PathValue("id"), ledger.WebhookPatch{URL: &form.URL, Types: form.Types, Description: &form.Description})
	if fault := site.FaultOf(err, site.WholeForm); fault != nil {
		v := newWebhookForm(form)
		v.Faults = webhookFields.Faults(fault)
		return p.writeWebhook(c, http.StatusUnprocessableEntity, w, v)
	}
	if err != nil {
		return err
	}
	return c.Redirect(webhookPath(w.ID) + "?done=saved")
}

func webhookPath(id string) string { return "settings/webhooks/" + url.PathEscape(id) }

// switchWebhook enables or disables a webhook, as the button says that was pressed.
func (p *Pages) switchWebhook(c *site.Call) error {
	enabled := c.Form.Get("enabled") == "yes"
	ledger.ChangeOf(c.Ctx()).Set("enabled", enabled)
	w, err := p.cfg.Webhooks.Change(c.Ctx(), c.R.PathValue("id"), ledger.WebhookPatch{Enabled: &enabled})
	if err != nil {
		return err
	}
	return c.Redirect(webhookPath(w.ID) + "?done=saved")
}

// testWebhook sends a test. What the receiver has replied is the newest attempt.
func (p *Pages) testWebhook(c *site.Call) error {
	a, err := p.cfg.Webhooks.Test(c.Ctx(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	query := "?done=tested"
	if !a.OK() {
		query = "?failed=test"
	}
	return c.Redirect(webhookPath(a.WebhookID) + query)
}

func (p *Pages) rotateWebhook(c *site.Call) error {
	w, err := p.cfg.Webhooks.Rotate(c.Ctx(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	return p.writeWebhookSecret(c, w, "The new secret of the webhook", "For 24 hours, messages have signatures by both secrets.")
}

var toWebhooks = site.Crumb{Name: "Webhooks", Path: "settings/webhooks"}

// askRemoveWebhook asks before a webhook is removed.
func (p *Pages) askRemoveWebhook(c *site.Call) error {
	w, err := p.cfg.Webhooks.Webhook(c.Ctx(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	waiting, err := p.cfg.Webhooks.Waiting(c.Ctx(), w.ID)
	if err != nil {
		return err
	}
	shown := p.webhookRow(w)
	says := "Its receiver is told nothing more. Its secret and its attempts are removed."
	if waiting > 0 {
		says += " " + site.Count(waiting, "message that was not taken yet is", "messages that were not taken yet are") + " dropped."
	}
	return p.site.Confirm(c, "settings", []site.Crumb{toSettings, toWebhooks, {Name: webhookTitle(w), Path: webhookPath(w.ID)}}, site.Confirmation{
		Title: "Remove", Question: "Remove this webhook?", About: w.URL, Code: true, Says: []string{says},
		Facts: []site.Fact{{Name: "Description", Text: w.Description}, {Name: "Told when", Text: shown.Types}, {Name: "State", Text: shown.Word},
			{Name: "Waiting", Text: site.Count(waiting, "message", "messages")}, {Name: "Made", When: p.site.When(w.CreatedAt)}},
		Keep: "Keep the webhook", Back: webhookPath(w.ID), Do: "Remove the webhook",
	})
}

func webhookTitle(w schoolbell.Webhook) string { return cmp.Or(w.Description, "Webhook") }

func (p *Pages) removeWebhook(c *site.Call) error {
	if err := p.cfg.Webhooks.Remove(c.Ctx(), c.R.PathValue("id")); err != nil {
		return err
	}
	return c.Redirect("settings/webhooks?done=webhook-removed")
}
