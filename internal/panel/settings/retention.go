package settings

import (
	"cmp"
	"math"
	"net/http"
	"strings"
	"time"

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

// shorter are the kinds of rows that are kept for a shorter time by other settings.
func (p *Pages) shorter(stored, next schoolbell.SchoolSettings) (facts []site.Fact) {
	kept := p.cfg.Kept
	for _, kind := range periods {
		unset := *kind.of(&kept)
		before, after := cmp.Or(*kind.of(&stored.Retention), unset), cmp.Or(*kind.of(&next.Retention), unset)
		if was, is := periodLength(before), periodLength(after); is < was {
			facts = append(facts, site.Fact{Name: kind.label, Text: string(after) + " instead of " + string(before)})
		}
	}
	return facts
}

// periodLength is how long a period is. No period is longer than one without an end.
func periodLength(p schoolbell.Period) time.Duration {
	if p == schoolbell.Forever {
		return math.MaxInt64
	}
	d, _ := p.Duration()
	return d
}

// askRetention asks before rows are removed that would have been kept. Its form has what was typed.
func (p *Pages) askRetention(c *site.Call, shorter []site.Fact) error {
	fields := []site.Field{{Name: "version", Value: c.Form.Get("version")}, {Name: "confirmed", Value: "yes"}}
	for _, kind := range periods {
		fields = append(fields, site.Field{Name: "retention_" + kind.name, Value: c.Form.Get("retention_" + kind.name)})
	}
	return p.site.Confirm(c, "settings", []site.Crumb{toSettings, {Name: "Retention", Path: "settings/retention"}}, site.Confirmation{
		Title: "Shorter times", Question: "Keep less than before?",
		Says:  []string{"What is older is removed within minutes, and cannot be restored but from a backup."},
		Facts: shorter, Fields: fields,
		Keep: "Leave it", Back: "settings/retention", Do: "Save and remove what is older",
	})
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
	err = next.Validate()
	if shorter := p.shorter(stored, next); err == nil && len(shorter) > 0 && c.Form.Get("confirmed") == "" {
		return p.askRetention(c, shorter)
	}
	if err == nil {
		err = p.putSettings(c, stored, next)
	}
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
