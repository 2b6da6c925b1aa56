package panel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/outage"
	"schoolbell/internal/panel/site"
	"schoolbell/internal/staff"
)

var resetPage = parse("reset.html")

// resetView is the form with which people ask for a link by email.
type resetView struct {
	Possible bool // the process sends email, and knows its own address
	Asked    bool
	Email    string
	Fault    string
}

// reset is somebody who asks for a link.
type reset struct{ email, client string }

const (
	waitingResets = 100 // further ones are dropped: so many people do not forget their passwords at once
	resetTimeout  = 30 * time.Second
	resetAction   = "staff.reset"
)

// canReset reports whether links can be sent. They never name the host of a request, which anybody can choose.
func (s *Server) canReset() bool {
	return s.cfg.Templates.Emails() != nil && s.site.URL() != ""
}

func (s *Server) showReset(c *site.Call) error {
	return s.site.WriteSolo(c, http.StatusOK, resetPage, "Forgotten password", resetView{Possible: s.canReset()})
}

// askReset notes that somebody asks for a link. The answer and its time are the same whether there is such an account or not.
func (s *Server) askReset(c *site.Call) error {
	v := resetView{Possible: s.canReset(), Email: strings.TrimSpace(c.Form.Get("email"))}
	if !v.Possible || v.Email == "" || len(v.Email) > schoolbell.MaxEmailLength {
		return s.site.WriteSolo(c, http.StatusUnprocessableEntity, resetPage, "Forgotten password", v)
	}
	r := reset{v.Email, s.site.Address(c.R)}
	if wait, limited := errors.AsType[*staff.Wait](s.cfg.Staff.AllowReset(r.email, r.client)); limited {
		v.Fault = "There were too many requests. Try again in " + site.Roughly(wait.For) + "."
		c.W.Header().Set("Retry-After", site.Seconds(wait.For))
		return s.site.WriteSolo(c, http.StatusTooManyRequests, resetPage, "Forgotten password", v)
	}
	select {
	case s.resets <- r:
	default:
		s.site.Log.WarnContext(c.Ctx(), "a request for a link by email is dropped: too many wait")
	}
	v.Asked = true
	return s.site.WriteSolo(c, http.StatusOK, resetPage, "Forgotten password", v)
}

// runResets sends links until ctx ends.
func (s *Server) runResets(ctx context.Context) error {
	var down outage.Log
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-s.resets:
			err := s.sendReset(ctx, r)
			if schoolbell.CodeOf(err) == schoolbell.CodeNotFound {
				err = nil
			}
			down.Note(ctx, s.site.Log, slog.LevelWarn, "send links by email", err)
		}
	}
}

func (s *Server) sendReset(ctx context.Context, r reset) error {
	ctx, cancel := context.WithTimeout(ctx, resetTimeout)
	defer cancel()
	entry := schoolbell.AuditEntry{At: s.site.Now(), Actor: schoolbell.Actor{Kind: schoolbell.ActorSystem}, Action: resetAction,
		Target: schoolbell.Target{Kind: "staff"}, Address: r.client}
	a, secret, err := s.cfg.Staff.ResetLink(ledger.WithChange(ctx, ledger.NewChange(entry)), r.email)
	if err != nil {
		return err
	}
	m := s.resetMessage(a, s.site.URL()+"password/"+secret)
	result, err := s.cfg.Templates.Emails().Send(ctx, m)
	if err == nil && result.Verdict != schoolbell.VerdictSent {
		err = fmt.Errorf("the email has the verdict %s", result.Verdict)
	}
	return err
}

func (s *Server) resetMessage(a schoolbell.StaffAccount, link string) schoolbell.Message {
	school := s.cfg.Settings().Name
	return schoolbell.Message{To: a.Email, ToName: a.Name, Subject: "Choose a new password for " + school, Locale: "en",
		ExpiresAt: s.site.Now().Add(staff.ResetTTL), Text: schoolbell.Plain("Somebody has asked for a new password for your account at " + school + ".\n\n" +
			"To choose one, open this page within an hour. It works once:\n\n" + link + "\n\n" +
			"If it was not you, ignore this email: your password stays as it is. Nobody at " + school + " ever asks for the link.\n")}
}
