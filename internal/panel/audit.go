package panel

import (
	"encoding/json"
	"net/url"
	"strings"

	"schoolbell"
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
	When                                   moment
	Who, Action, Target, TargetURL, Detail string
	Address                                string
}

const auditRows = 50

func (s *Server) listAudit(c *call) error {
	query := c.r.URL.Query()
	v := auditView{Action: strings.TrimSpace(query.Get("action")), Target: strings.TrimSpace(query.Get("target"))}
	v.Filtered = v.Action != "" || v.Target != ""
	kind, id, _ := strings.Cut(v.Target, ":")
	entries, err := s.cfg.Store.AuditEntries(c.ctx(), schoolbell.AuditFilter{Action: v.Action, Target: schoolbell.Target{Kind: kind, ID: id}}, query.Get("before"), auditRows+1)
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
	names, err := s.names(c.ctx())
	if err != nil {
		return err
	}
	for _, e := range entries {
		v.Rows = append(v.Rows, s.auditRow(e, names))
	}
	return s.write(c, auditPage, pageSpec{title: "Audit log", path: "audit"}, v)
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

func (s *Server) auditRow(e schoolbell.AuditEntry, names names) auditRow {
	row := auditRow{When: s.when(e.At), Who: statusWord(names.actor(e.Actor)), Action: e.Action, Address: e.Address, Target: shorten(e.Target.ID, shownLine)}
	switch {
	case e.Target.ID == "":
		row.Target = e.Target.Kind
	case e.Target.Kind == "event":
		row.TargetURL = "events/" + url.PathEscape(e.Target.ID)
	case e.Target.Kind == "queue":
		row.TargetURL = "queues/" + url.PathEscape(e.Target.ID)
	case e.Target.Kind == "staff" && names.staff[e.Target.ID] != "":
		row.Target, row.TargetURL = names.staff[e.Target.ID], "staff/"+url.PathEscape(e.Target.ID)
	}
	if len(e.Changes) > 0 {
		if text, err := json.Marshal(e.Changes); err == nil {
			row.Detail = shorten(string(text), shownLine)
		}
	}
	return row
}
