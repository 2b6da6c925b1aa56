package site

import (
	"net/http"
	"net/url"
	"strings"

	"schoolbell"
	"schoolbell/internal/panel/live"
)

var problemPage = Parser(frameFiles, nil)("problem.html")

// ProblemView is a page that says why there is no other.
type ProblemView struct {
	Title, Text    string
	Link, LinkName string // where to go
	Other          string // URL of another way, empty for none
	OtherName      string
	Again          bool   // the same page may work in a moment
	Number         string // of the request, for those who look into it
}

// fail answers a call that did not work.
func (s *Site) fail(c *Call, err error) {
	v := ProblemView{LinkName: "Overview"}
	status := http.StatusInternalServerError
	switch schoolbell.CodeOf(err) {
	case schoolbell.CodeUnauthorized:
		s.toSignIn(c)
		return
	case schoolbell.CodeForbidden:
		status = http.StatusForbidden
		v.Title, v.Text = "Your role does not allow this", "You have signed in as "+string(c.Account.Role)+". An admin of your school can change that under Staff."
	case schoolbell.CodeNotFound:
		status = http.StatusNotFound
		v.Title, v.Text = "There is no such page", "The address is wrong, or what was here has been removed."
		v.Link, v.LinkName = "events", "Go to the events"
	case schoolbell.CodeInvalid, schoolbell.CodeTooLarge:
		status = http.StatusUnprocessableEntity
		v.Title, v.Text = "This cannot be done", Sentence(err.Error())
	case schoolbell.CodeConflict:
		status = http.StatusConflict
		v.Title, v.Text = "This is not possible now", Sentence(MessageOf(err))
	case schoolbell.CodeUnavailable, schoolbell.CodeLimited:
		status = http.StatusServiceUnavailable
		v.Title, v.Text, v.Again = "Something that this page needs is unavailable", "Nothing is lost: what was accepted stays in the ledger and is sent as soon as it is possible.", true
		c.W.Header().Set("Retry-After", "5")
		s.Log.WarnContext(c.Ctx(), "the panel cannot answer now", "route", c.route.Path, "error", err)
	default:
		v.Title, v.Text, v.Again = "Something went wrong here", "It is not your fault, and nothing that you have sent is lost.", true
		v.Number = c.W.Header().Get("X-Request-Id")
		s.Log.ErrorContext(c.Ctx(), "the panel failed", "request_id", v.Number, "route", c.route.Path, "error", err)
	}
	if err := s.WriteProblem(c, status, v); err != nil {
		s.Log.ErrorContext(c.Ctx(), "the panel failed", "error", err)
		c.W.WriteHeader(http.StatusInternalServerError)
	}
}

// WriteProblem answers with a page that says why there is no other.
func (s *Site) WriteProblem(c *Call, status int, v ProblemView) error {
	return s.WriteSolo(c, status, problemPage, v.Title, v)
}

// toSignIn sends somebody to sign in and back to the page. A stream cannot do that, nor can a part of a page.
func (s *Site) toSignIn(c *Call) {
	if strings.HasPrefix(c.R.Header.Get("Accept"), "text/event-stream") {
		s.sayEnded(c, live.Open(c.W), signedOut)
		return
	}
	if strings.HasSuffix(c.R.URL.Path, "/live") || c.R.Header.Get("HX-Request") != "" {
		c.W.WriteHeader(http.StatusUnauthorized)
		return
	}
	query := url.Values{}
	if next := strings.TrimPrefix(c.R.URL.RequestURI(), Root); next != "" && c.R.Method == http.MethodGet {
		query.Set("next", next)
	}
	if c.Session != "" {
		query.Set("ended", "")
		s.SetCookie(c, SessionCookie, "", 0)
	}
	path := "sign-in"
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	_ = c.Redirect(path)
}
