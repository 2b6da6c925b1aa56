package site

import (
	"context"
	"net/http"
	"strings"

	"schoolbell"
	"schoolbell/internal/auth"
	"schoolbell/internal/ledger"
)

// handle returns the handler of a route.
func (s *Site) handle(rt Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		c := &Call{W: w, R: r, route: rt}
		if err := s.serve(c); err != nil {
			s.fail(c, err)
		}
	})
}

func (s *Site) serve(c *Call) error {
	if err := s.identify(c); err != nil {
		return err
	}
	if c.R.Method == http.MethodPost && !c.route.Upload {
		if err := c.readForm(); err != nil {
			return err
		}
	}
	if c.route.Action != "" {
		change := s.newChange(c, c.route.Action)
		c.R = c.R.WithContext(ledger.WithChange(c.Ctx(), change))
		err := c.route.Serve(c)
		s.finishChange(c, change)
		return err
	}
	return c.route.Serve(c)
}

// identify finds out who makes the call, and whether they may.
func (s *Site) identify(c *Call) error {
	c.Session = s.sessionOf(c.R)
	if c.route.Public {
		return nil
	}
	a, err := s.cfg.Staff.Session(c.Ctx(), c.Session)
	if err != nil {
		return err
	}
	c.Account = a
	c.R = c.R.WithContext(auth.WithPrincipal(c.Ctx(), principal(a)))
	if !c.May(c.route.Need) {
		return &schoolbell.Error{Code: schoolbell.CodeForbidden, Message: "your role does not allow this"}
	}
	return s.checkLimit(c)
}

// principal is who an account is to the services.
func principal(a schoolbell.StaffAccount) auth.Principal {
	return auth.Principal{Kind: schoolbell.ActorStaff, ID: a.ID, Grants: auth.Grants{Scope: a.Role.Scope()}}
}

// Changing returns the context of a further change that a form makes in the ledger. It has an entry of its own in the audit.
func (s *Site) Changing(c *Call, action string) context.Context {
	return ledger.WithChange(c.Ctx(), s.newChange(c, action))
}

// newChange begins the audit entry of a form.
func (s *Site) newChange(c *Call, action string) *ledger.Change {
	kind, _, _ := strings.Cut(action, ".")
	e := schoolbell.AuditEntry{At: s.Now(), Actor: auth.PrincipalOf(c.Ctx()).Actor(), Action: action,
		Target: schoolbell.Target{Kind: kind, ID: c.R.PathValue("id")}, Address: s.cfg.Address(c.R)}
	return ledger.NewChange(e)
}

// finishChange stores the entry of a change that was made outside of the ledger, or of which more is known since.
func (s *Site) finishChange(c *Call, change *ledger.Change) {
	e, left := change.Left()
	if !left {
		return
	}
	if err := s.cfg.Audit.PutAuditEntry(context.WithoutCancel(c.Ctx()), e); err != nil {
		s.Log.ErrorContext(c.Ctx(), "a change is not in the audit", "action", e.Action, "error", err)
	}
}

// noPage answers a path below the panel that no route has.
func (s *Site) noPage(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	s.fail(&Call{W: w, R: r}, schoolbell.NotFound("page", r.URL.Path))
}

// foreignForm answers a form that another site has sent.
func (s *Site) foreignForm(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	c := &Call{W: w, R: r}
	err := s.WriteProblem(c, http.StatusForbidden, ProblemView{Title: "This form came from another site", Text: "Nothing was done. Open the page here and try again.", LinkName: "Overview"})
	if err != nil {
		s.fail(c, err)
	}
}
