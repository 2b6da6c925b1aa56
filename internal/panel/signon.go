package panel

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"schoolbell"
	"schoolbell/internal/identity"
	"schoolbell/internal/panel/accounts"
	"schoolbell/internal/panel/site"
	"schoolbell/internal/staff"
)

// SignOn lets people sign in at an identity provider.
type SignOn struct {
	Name       string // of the identity provider
	Issuer     string
	Provider   IdentityProvider
	Identities Identities
}

// IdentityProvider finds out who somebody is.
type IdentityProvider interface {
	Begin(ctx context.Context, a identity.Attempt, choose bool) (url string, err error)
	Finish(ctx context.Context, a identity.Attempt, answer url.Values) (identity.Person, error)
}

// Identities knows whose account an identity is.
type Identities interface {
	accounts.Identities
	Allow(address string) error
	Forgive(address string)
	SignIn(ctx context.Context, id staff.Identity) (a schoolbell.StaffAccount, session string, err error)
}

const (
	startPath    = "oidc/start"
	callbackPath = "oidc/callback"
)

// RedirectURL is where the identity provider sends browsers back to, of the server at a public URL. It is never made of a request, whose
// host anybody can choose.
func RedirectURL(public string) string {
	return strings.TrimRight(public, "/") + Root + callbackPath
}

// startURL is where sign-in at the identity provider begins. It has the host of PUBLIC_URL, to which the browser comes back: the cookie
// of the attempt is for that host only. It is a link and no form, which the Content-Security-Policy would not let go to another host.
func (s *Server) startURL(next string) string {
	path := strings.TrimRight(s.cfg.PublicURL, "/") + Root + startPath
	if next == "" {
		return path
	}
	return path + "?" + url.Values{"next": {next}}.Encode()
}

// startSignOn sends the browser to the identity provider.
func (s *Server) startSignOn(c *site.Call) error {
	on := s.cfg.SignOn
	if on == nil {
		return schoolbell.NotFound("page", startPath)
	}
	query := c.R.URL.Query()
	a := identity.NewAttempt(site.NextPage(query.Get("next")), s.site.Now())
	to, err := on.Provider.Begin(c.Ctx(), a, query.Has("choose"))
	if err != nil {
		return s.signOnFault(c, a, err)
	}
	s.site.SetCookie(c, attemptCookie, a.Cookie(), identity.AttemptTTL)
	c.W.Header().Set("Location", to)
	c.W.WriteHeader(http.StatusSeeOther)
	return nil
}

// finishSignOn takes the answer that the browser brings from the identity provider. The answer counts once: its cookie is removed.
func (s *Server) finishSignOn(c *site.Call) error {
	on := s.cfg.SignOn
	if on == nil {
		return schoolbell.NotFound("page", callbackPath)
	}
	cookie, client := s.site.Cookie(c.R, attemptCookie), s.site.Address(c.R)
	a := identity.ParseAttempt(cookie)
	if cookie == "" && c.Session != "" { // perhaps somebody has gone back to the page
		if _, err := s.cfg.Staff.Session(c.Ctx(), c.Session); err == nil {
			return c.Redirect("")
		}
	}
	if wait, limited := errors.AsType[*staff.Wait](on.Identities.Allow(client)); limited {
		c.W.Header().Set("Retry-After", site.Seconds(wait.For))
		return s.writeSignIn(c, http.StatusTooManyRequests, signInView{Fault: "There were too many attempts to sign in with " + on.Name + ". Try again in " + site.Roughly(wait.For) + "."})
	}
	if cookie != "" {
		s.site.SetCookie(c, attemptCookie, "", 0)
	}
	who, err := on.Provider.Finish(c.Ctx(), a, c.R.URL.Query())
	if f, ok := errors.AsType[*identity.Fault](err); !ok || f.Reason != identity.UsedCode {
		on.Identities.Forgive(client)
	}
	if err != nil {
		return s.signOnFault(c, a, err)
	}
	account, secret, err := on.Identities.SignIn(c.Ctx(), staff.Identity{Issuer: who.Issuer, Subject: who.Subject, Email: who.Email, Verified: who.Verified})
	if err != nil {
		return s.notStaff(c, who, err)
	}
	s.endSession(c) // of the person who has used this browser before
	s.startSession(c, account.ID, secret)
	return c.Redirect(site.NextPage(a.Next))
}

// signOnFault says why nobody has signed in at the identity provider.
func (s *Server) signOnFault(c *site.Call, a identity.Attempt, err error) error {
	f, ok := errors.AsType[*identity.Fault](err)
	if !ok {
		return err
	}
	level, name := slog.LevelWarn, s.cfg.SignOn.Name
	if f.Reason == identity.Cancelled {
		level = slog.LevelInfo
	}
	s.site.Log.Log(c.Ctx(), level, "nobody could sign in at the identity provider", "reason", string(f.Reason), "cause", first(f.Error(), maxCause))
	switch f.Reason {
	case identity.Cancelled:
		return s.writeSignIn(c, http.StatusOK, signInView{Next: site.NextPage(a.Next), Fault: "You have not signed in: sign-in with " + name + " was cancelled."})
	case identity.Unavailable:
		return s.writeSignIn(c, http.StatusServiceUnavailable, signInView{Next: site.NextPage(a.Next),
			Fault: "Sign-in with " + name + " does not work at the moment. Try again in a few minutes, or sign in with your password."})
	}
	v, status := signOnProblem(f.Reason, name)
	v.Link, v.LinkName = "sign-in", "Sign in"
	return s.site.WriteProblem(c, status, v)
}

// maxCause is how many characters the log has of what happened: an identity provider may answer with whole pages.
const maxCause = 300

// first returns at most n characters of a text.
func first(text string, n int) string {
	if runes := []rune(text); len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return text
}

// signOnProblem is the page for a reason.
func signOnProblem(reason identity.Reason, name string) (site.ProblemView, int) {
	switch reason {
	case identity.TooLate, identity.OtherState:
		return site.ProblemView{Title: "This sign-in is not good any more",
			Text: "It took too long, was used before, or was begun in another browser or tab. Sign in again."}, http.StatusBadRequest
	case identity.UsedCode:
		return site.ProblemView{Title: "This sign-in was used before", Text: name + " accepts each sign-in once, and only for a short time. Sign in again."}, http.StatusBadRequest
	case identity.OtherNonce:
		return site.ProblemView{Title: "This sign-in belongs to another attempt", Text: "For your safety it was not used. Sign in again."}, http.StatusBadRequest
	case identity.OldToken:
		return site.ProblemView{Title: "This sign-in has expired",
			Text: "Sign in again. If that does not help, the clock of this server or that of " + name + " is wrong: tell an administrator of your school."}, http.StatusBadRequest
	case identity.Refused:
		return site.ProblemView{Title: name + " did not let you in", Text: "It has not said who you are. Ask an administrator of your school whether your account there may use Schoolbell."}, http.StatusForbidden
	case identity.BadSetup, identity.OtherClient:
		return site.ProblemView{Title: "Sign-in with " + name + " is not set up correctly",
			Text: "Tell an administrator of your school; the log of this server says what is wrong. You can sign in with your password."}, http.StatusBadGateway
	}
	return site.ProblemView{Title: "The answer of " + name + " cannot be trusted",
		Text: "For your safety it was not used. Sign in again. If that does not help, tell an administrator of your school."}, http.StatusBadGateway
}

// notStaff tells somebody whom the identity provider knows that no account is theirs.
func (s *Server) notStaff(c *site.Call, who identity.Person, err error) error {
	v := site.ProblemView{Link: "sign-in", LinkName: "Sign in", Other: s.startURL("") + "?choose", OtherName: "Use another account"}
	cause := ""
	switch code := schoolbell.CodeOf(err); {
	case code == schoolbell.CodeNotFound && who.Email == "":
		cause = "the identity provider tells no email address"
		v.Title = "There is no staff account for you"
		v.Text = s.cfg.SignOn.Name + " has not told your email address, by which your account is found. Ask an administrator of your school."
	case code == schoolbell.CodeNotFound:
		cause = "no account has the email address"
		v.Title = "There is no staff account for " + who.Email
		v.Text = "Ask an administrator of your school for an account with this email address."
	case code == schoolbell.CodeInvalid:
		cause = "the email address is not verified"
		v.Title = "Your email address is not verified"
		v.Text = s.cfg.SignOn.Name + " does not confirm that " + who.Email + " is yours. Verify it there, or ask an administrator of your school."
	case code == schoolbell.CodeConflict:
		cause = "the account belongs to another identity"
		v.Title = "The staff account for " + who.Email + " belongs to another sign-in"
		v.Text = "Somebody with this email address has signed in with " + s.cfg.SignOn.Name + " before. If it was you, an administrator of your school can remove the link under Staff."
	default:
		return err
	}
	s.site.Log.InfoContext(c.Ctx(), "somebody without a staff account signed in at the identity provider", "cause", cause)
	return s.site.WriteProblem(c, http.StatusForbidden, v)
}

// forAccounts is what the pages of accounts need of it.
func (on *SignOn) forAccounts() *accounts.SignOn {
	if on == nil {
		return nil
	}
	return &accounts.SignOn{Name: on.Name, Issuer: on.Issuer, Identities: on.Identities}
}
