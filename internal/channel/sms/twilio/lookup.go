package twilio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/calls"
)

const (
	pageSize  = 30              // messages in a reply: about 50 KiB if all have ten segments
	maxPages  = 3               // replies that are read for one question
	clockSkew = 2 * time.Minute // between this machine and Twilio
	trialText = "Sent from your Twilio trial account - "
)

// earlier looks for a message that an earlier attempt may have sent. If done is false, it must be sent.
func (t *Twilio) earlier(ctx context.Context, m schoolbell.Message, body string) (r schoolbell.Result, done bool) {
	found, err := t.find(ctx, m.To, body, m.CreatedAt)
	var failure *calls.Failure
	var refused *refusal
	switch {
	case err == nil && len(found) > 0:
		return t.found(m, found), true
	case err == nil:
		return r, false
	case errors.As(err, &failure) && !failure.Written, errors.As(err, &refused) && refused.status == http.StatusTooManyRequests:
		return schoolbell.Result{Verdict: schoolbell.VerdictSlowDown, Reason: err.Error()}, true
	case errors.As(err, &refused) && (refused.status == http.StatusUnauthorized || refused.status == http.StatusForbidden):
		return r, false // a key that may send and not read
	}
	return schoolbell.Result{Verdict: schoolbell.VerdictRetry, Reason: "an earlier attempt could not be looked up: " + err.Error()}, true
}

// found returns the result of a message that was found in the list.
func (t *Twilio) found(m schoolbell.Message, found []message) schoolbell.Result {
	r := t.accepted(found[0], m.To)
	r.Resolved = m.Resend && len(found) == 1 && r.Verdict == schoolbell.VerdictSent
	return r
}

// refusal is a reply to a look-up that has no messages.
type refusal struct {
	status int
	reason string
}

func (e *refusal) Error() string { return e.reason }

// find returns the messages with a text that the account sent to a number since a time, the newest first. Messages that Twilio
// has not passed on yet have no time of sending, so the list is also read without this limit.
func (t *Twilio) find(ctx context.Context, to, body string, since time.Time) ([]message, error) {
	since = since.Add(-clockSkew)
	day := since.UTC().Format(time.DateOnly)
	for _, query := range []url.Values{{"To": {to}, "DateSent>": {day}}, {"To": {to}}} {
		query.Set("PageSize", fmt.Sprint(pageSize))
		found, err := t.list(ctx, t.messages+"?"+query.Encode(), func(m message) bool { return isSame(m, body, since) })
		if err != nil || len(found) > 0 {
			return found, err
		}
	}
	return nil, nil
}

func isSame(m message, body string, since time.Time) bool {
	created, err := time.Parse(time.RFC1123Z, m.DateCreated)
	return err == nil && !created.Before(since) && strings.HasPrefix(m.Direction, "outbound") &&
		strings.TrimSpace(strings.TrimPrefix(m.Body, trialText)) == strings.TrimSpace(body)
}

// list reads a list page by page and returns the messages that are wanted.
func (t *Twilio) list(ctx context.Context, address string, wanted func(message) bool) (found []message, err error) {
	for range maxPages {
		reply, err := t.do(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, err
		}
		if !reply.OK() {
			return nil, &refusal{reply.Status, reason(reply.Status, problemOf(reply), "")}
		}
		var page struct {
			Messages []message `json:"messages"`
			Next     string    `json:"next_page_uri"`
		}
		if json.Unmarshal(reply.Body, &page) != nil {
			return nil, &refusal{reply.Status, "the list of messages cannot be read"}
		}
		for _, m := range page.Messages {
			if wanted(m) {
				found = append(found, m)
			}
		}
		if !strings.HasPrefix(page.Next, "/") {
			break
		}
		address = t.cfg.URL + page.Next
	}
	return found, nil
}
