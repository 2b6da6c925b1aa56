package audit

import (
	"encoding/json"
	"net/url"
	"strings"

	"schoolbell"
	"schoolbell/internal/panel/site"
)

var auditPage = parse("audit.html")

// auditView is a page of the audit.
type auditView struct {
	Action, Target string // of the filter
	Filtered       bool
	Rows           []auditRow
	Newest, Older  string // URLs; empty for none
}

// auditRow is a change that somebody made.
type auditRow struct {
	When                                   site.Moment
	Who, Action, Target, TargetURL, Detail string
	Address                                string
}

const auditRows = 50

func (p *Pages) listAudit(c *site.Call) error {
	query := c.R.URL.Query()
	v := auditView{Action: strings.TrimSpace(query.Get("action")), Target: strings.TrimSpace(query.Get("target"))}
	v.Filtered = v.Action != "" || v.Target != ""
	kind, id, _ := strings.Cut(v.Target, ":")
	entries, err := p.cfg.Audit.AuditEntries(c.Ctx(), schoolbell.AuditFilter{Action: v.Action, Target: schoolbell.Target{Kind: kind, ID: id}}, query.Get("before"), auditRows+1)
	if err != nil {
		return err
	}
	if query.Has("before") {
		v.Newest = v.url("")
	}
	if len(entries) > auditRows {
		entries = entries[:auditRows]
		v.Older = v.url(entries[auditRows-1].ID)
	}
	names, err := p.site.Names(c.Ctx())
	if err != nil {
		return err
	}
	for _, e := range entries {
		v.Rows = append(v.Rows, p.auditRow(e, names))
	}
	return p.site.Write(c, auditPage, site.Spec{Title: "Audit log", Path: "audit"}, v)
}

func (v auditView) url(before string) string {
	q := url.Values{}
	for name, value := range map[string]string{"action": v.Action, "target": v.Target, "before": before} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return "audit?" + q.Encode()
}

func (p *Pages) auditRow(e schoolbell.AuditEntry, names site.Names) auditRow {
	row := auditRow{When: p.site.When(e.At), Who: site.StatusWord(names.Actor(e.Actor)), Action: e.Action, Address: e.Address, Target: site.Shorten(e.Target.ID, site.ShownLine)}
	switch {
	case e.Target.ID == "":
		row.Target = e.Target.Kind
	case e.Target.Kind == "event":
		row.TargetURL = "events/" + url.PathEscape(e.Target.ID)
	case e.Target.Kind == "queue":
		row.TargetURL = "queues/" + url.PathEscape(e.Target.ID)
	case e.Target.Kind == "staff" && names.Staff[e.Target.ID] != "":
		row.Target, row.TargetURL = names.Staff[e.Target.ID], "staff/"+url.PathEscape(e.Target.ID)
	}
	if len(e.Changes) > 0 {
		if text, err := json.Marshal(e.Changes); err == nil {
			row.Detail = site.Shorten(string(text), site.ShownLine)
		}
	}
	return row
}
