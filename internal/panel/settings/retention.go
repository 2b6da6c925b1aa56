package settings

import (
	"net/http"
	"strings"

	"schoolbell"
	"schoolbell/internal/panel/site"
)

var retentionPage = parse("settings.html", "retention.html")

// retentionForm is the form of how long each kind of row is kept.
type retentionForm struct {
	site.Faults
	Periods []periodField
	Version int64
}

// periodField is how long one kind of row is kept.
type periodField struct {
	Field, Label, Hint string
	Value              string // what the school has chosen; empty for what the process has
	Unset              string // what the process has
}

// periods are the kinds of rows, in the order of the form.
var periods = []struct {
	name, label, hint string
	of                func(r *schoolbell.Retention) *schoolbell.Period
}{
	{"events", "Events", "After their end, with all that belongs to them.", func(r *schoolbell.Retention) *schoolbell.Period { return &r.Events }},
	{"deliveries", "Deliveries", "After the end of their event. The counts stay with the event.", func(r *schoolbell.Retention) *schoolbell.Period { return &r.Deliveries }},
	{"inbox", "Inbox items", "After they arrived.", func(r *schoolbell.Retention) *schoolbell.Period { return &r.Inbox }},
	{"receipts", "Receipts", "What providers and receivers of webhooks have replied.", func(r *schoolbell.Retention) *schoolbell.Period { return &r.Receipts }},
	{"audit", "Audit log", "Who changed what.", func(r *schoolbell.Retention) *schoolbell.Period { return &r.Audit }},
	{"idempotency", "Idempotency keys", "For which requests and forms are sent once.", func(r *schoolbell.Retention) *schoolbell.Period { return &r.Idempotency }},
}

// retentionFields are the fields of the form.
func retentionFields() (fields site.Fields) {
	for _, kind := range periods {
		fields = append(fields, site.FieldFault{Field: "retention_" + kind.name, Label: kind.label})
	}
	return fields
}

func (p *Pages) newRetentionForm(v schoolbell.SchoolSettings) retentionForm {
	f, kept := retentionForm{Version: v.Version}, p.cfg.Kept
	for _, kind := range periods {
		f.Periods = append(f.Periods, periodField{"retention_" + kind.name, kind.label, kind.hint, string(*kind.of(&v.Retention)), string(*kind.of(&kept))})
	}
	return f
}

func (p *Pages) showRetention(c *site.Call) error {
	stored, err := p.cfg.Settings.Get(c.Ctx())
	if err != nil {
		return err
	}
	return p.writeSettings(c, retentionPage, "settings/retention", http.StatusOK, p.newRetentionForm(stored))
}

func (p *Pages) putRetention(c *site.Call) error {
	stored, err := p.cfg.Settings.Get(c.Ctx())
	if err != nil {
		return err
	}
	next := stored
	for _, kind := range periods {
		*kind.of(&next.Retention) = schoolbell.Period(strings.TrimSpace(c.Form.Get("retention_" + kind.name)))
	}
	err = p.putSettings(c, stored, next)
	if fault := site.FaultOf(err, site.WholeForm); fault != nil {
		form := p.newRetentionForm(next)
		form.Faults = retentionFields().Faults(fault)
		return p.writeSettings(c, retentionPage, "settings/retention", http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	return c.Redirect("settings/retention?done=saved")
}
