package panel

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"schoolbell"
	"schoolbell/internal/auth"
	"schoolbell/internal/ledger"
)

// maxForm is how many bytes a form may have.
const maxForm = 8 << 20

// call is one request and who makes it.
type call struct {
	w       http.ResponseWriter
	r       *http.Request
	route   route
	account schoolbell.StaffAccount // the zero account if nobody has signed in
	session string
	form    url.Values // of a POST
}

func (c *call) ctx() context.Context { return c.r.Context() }

// may reports whether the account may use what needs a scope.
func (c *call) may(need schoolbell.Scope) bool { return c.account.Role.Scope().Allows(need) }

// root is the relative URL of the panel, seen from the page.
func (c *call) root() string {
	depth := strings.Count(strings.TrimPrefix(c.r.URL.Path, Root), "/")
	if depth == 0 {
		return "./"
	}
	return strings.Repeat("../", depth)
}

// redirect answers a form: the browser goes to a page of the panel.
func (c *call) redirect(path string) error {
	c.w.Header().Set("Location", c.root()+path)
	c.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// handle returns the handler of a route.
func (s *Server) handle(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		c := &call{w: w, r: r, route: rt}
		if err := s.serve(c); err != nil {
			s.fail(c, err)
		}
	})
}

func (s *Server) serve(c *call) error {
	if err := s.identify(c); err != nil {
		return err
	}
	if c.r.Method == http.MethodPost {
		if err := c.readForm(); err != nil {
			return err
		}
	}
	if c.r.Method == http.MethodPost && !c.route.reads {
		change := s.newChange(c)
		c.r = c.r.WithContext(ledger.WithChange(c.ctx(), change))
		err := c.route.serve(s, c)
		s.finishChange(c, change)
		return err
	}
	return c.route.serve(s, c)
}

// identify finds out who makes the call, and whether they may.
func (s *Server) identify(c *call) error {
	c.session = s.sessionOf(c.r)
	if c.route.public {
		return nil
	}
	a, err := s.cfg.Staff.Session(c.ctx(), c.session)
	if err != nil {
		return err
	}
	c.account = a
	c.r = c.r.WithContext(auth.WithPrincipal(c.ctx(), principal(a)))
	if !c.may(c.route.need) {
		return &schoolbell.Error{Code: schoolbell.CodeForbidden, Message: "your role does not allow this"}
	}
	return nil
}

// principal is who an account is to the services.
func principal(a schoolbell.StaffAccount) auth.Principal {
	return auth.Principal{Kind: schoolbell.ActorStaff, ID: a.ID, Grants: auth.Grants{Scope: a.Role.Scope()}}
}

func (c *call) readForm() error {
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, maxForm)
	if err := c.r.ParseForm(); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return &schoolbell.Error{Code: schoolbell.CodeTooLarge, Message: "the form is too large"}
		}
		return schoolbell.Invalid("form", "cannot be read")
	}
	c.form = c.r.PostForm
	return nil
}

// newChange begins the audit entry of a form.
func (s *Server) newChange(c *call) *ledger.Change {
	kind, _, _ := strings.Cut(c.route.action, ".")
	e := schoolbell.AuditEntry{At: s.now(), Actor: auth.PrincipalOf(c.ctx()).Actor(), Action: c.route.action,
		Target: schoolbell.Target{Kind: kind, ID: c.r.PathValue("id")}, Address: s.cfg.Address(c.r)}
	return ledger.NewChange(e)
}

// finishChange stores the entry of a change that was made outside of the ledger, or of which more is known since.
func (s *Server) finishChange(c *call, change *ledger.Change) {
	e, left := change.Left()
	if !left {
		return
	}
	if err := s.cfg.Store.PutAuditEntry(context.WithoutCancel(c.ctx()), e); err != nil {
		s.log.ErrorContext(c.ctx(), "a change is not in the audit", "action", e.Action, "error", err)
	}
}
