package panel

import (
	"net/http"
	"net/url"
	"strings"

	"schoolbell"
)

var problemPage = parse("problem.html")

// problemView is a page that says why there is no other.
type problemView struct {
	Title, Text    string
	Link, LinkName string // where to go
	Again          bool   // the same page may work in a moment
	Number         string // of the request, for those who look into it
}

// fail answers a call that did not work.
func (s *Server) fail(c *call, err error) {
	v := problemView{LinkName: "Overview"}
	status := http.StatusInternalServerError
	switch schoolbell.CodeOf(err) {
	case schoolbell.CodeUnauthorized:
		s.toSignIn(c)
		return
	case schoolbell.CodeForbidden:
		status = http.StatusForbidden
		v.Title, v.Text = "Your role does not allow this", "You have signed in as "+string(c.account.Role)+". An admin of your school can change that under Staff."
	case schoolbell.CodeNotFound:
		status = http.StatusNotFound
		v.Title, v.Text = "There is no such page", "The address is wrong, or what was here has been removed."
		v.Link, v.LinkName = "events", "Go to the events"
	case schoolbell.CodeInvalid, schoolbell.CodeTooLarge:
		status = http.StatusUnprocessableEntity
		v.Title, v.Text = "This cannot be done", sentence(err.Error())
	case schoolbell.CodeConflict:
		status = http.StatusConflict
		v.Title, v.Text = "This is not possible now", sentence(messageOf(err))
	case schoolbell.CodeUnavailable, schoolbell.CodeLimited:
		status = http.StatusServiceUnavailable
		v.Title, v.Text, v.Again = "Something that this page needs is unavailable", "Nothing is lost: what was accepted stays in the ledger and is sent as soon as it is possible.", true
		c.w.Header().Set("Retry-After", "5")
		s.log.WarnContext(c.ctx(), "the panel cannot answer now", "route", c.route.path, "error", err)
	default:
		v.Title, v.Text, v.Again = "Something went wrong here", "It is not your fault, and nothing that you have sent is lost.", true
		v.Number = c.w.Header().Get("X-Request-Id")
		s.log.ErrorContext(c.ctx(), "the panel failed", "request_id", v.Number, "route", c.route.path, "error", err)
	}
	if err := s.writeProblem(c, status, v); err != nil {
		s.log.ErrorContext(c.ctx(), "the panel failed", "error", err)
		c.w.WriteHeader(http.StatusInternalServerError)
	}
}

func (s *Server) writeProblem(c *call, status int, v problemView) error {
	return s.writeSolo(c, status, problemPage, v.Title, v)
}

// messageOf returns what an error says to people, without what led to it.
func messageOf(err error) string {
	for _, f := range schoolbell.FaultsOf(err) {
		return f.Message
	}
	return err.Error()
}

// toSignIn sends somebody to sign in and back to the page. A stream cannot do that, nor can a part of a page.
func (s *Server) toSignIn(c *call) {
	if strings.HasSuffix(c.r.URL.Path, "/live") || c.r.Header.Get("HX-Request") != "" {
		c.w.WriteHeader(http.StatusUnauthorized)
		return
	}
	query := url.Values{}
	if next := strings.TrimPrefix(c.r.URL.RequestURI(), Root); next != "" && c.r.Method == http.MethodGet {
		query.Set("next", next)
	}
	if c.session != "" {
		query.Set("ended", "")
		s.setCookie(c, sessionCookie, "", 0)
	}
	path := "sign-in"
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	_ = c.redirect(path)
}

// noPage answers a path below the panel that no route has.
func (s *Server) noPage(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	s.fail(&call{w: w, r: r}, schoolbell.NotFound("page", r.URL.Path))
}

// foreignForm answers a form that another site has sent.
func (s *Server) foreignForm(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	c := &call{w: w, r: r}
	err := s.writeProblem(c, http.StatusForbidden, problemView{Title: "This form came from another site", Text: "Nothing was done. Open the page here and try again.", LinkName: "Overview"})
	if err != nil {
		s.fail(c, err)
	}
}
