package push

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/calls"
	"schoolbell/internal/publicdial"
)

const (
	// defaultTTL is how long a push service keeps a message for a browser that is off, if the event never expires: a message of
	// Friday is still shown on Monday. Older news are in the inbox.
	defaultTTL = 72 * time.Hour
	maxTTL     = 28 * 24 * time.Hour // what the push services allow
)

// call sends the message of a group, which has one.
func (p *Push) call(ctx context.Context, group []schoolbell.Message) []schoolbell.Result {
	results := make([]schoolbell.Result, len(group))
	for i, m := range group {
		results[i] = p.send(ctx, m)
	}
	return results
}

func (p *Push) send(ctx context.Context, m schoolbell.Message) schoolbell.Result {
	to, err := schoolbell.ParsePushSubscription(m.To)
	if err != nil {
		return giveUp("the address is not a push subscription")
	}
	origin := to.Origin()
	switch {
	case !p.cfg.Services.Has(origin):
		return giveUp("the push service of the device is not among PUSH_SERVICES")
	case p.rests.resting(origin):
		return schoolbell.Result{Verdict: schoolbell.VerdictDropped, Reason: "the push service of the device rests"}
	}
	req, err := p.request(m, to, origin)
	if err != nil {
		return giveUp(err.Error())
	}
	reply, err := calls.Do(ctx, p.client, req)
	if err != nil {
		return p.failed(origin, err)
	}
	return p.judge(origin, reply)
}

// request returns the request for a message. Errors quote nothing of it.
func (p *Push) request(m schoolbell.Message, to schoolbell.PushSubscription, origin string) (*http.Request, error) {
	text, err := payloadOf(m)
	if err != nil {
		return nil, err
	}
	body, err := encrypt(text, to)
	if err != nil {
		return nil, err
	}
	authorization, err := p.tokens.Authorization(origin)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodPost, to.Endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the endpoint of the device is not a URL")
	}
	req.Header = http.Header{
		"Authorization":    {authorization},
		"Content-Encoding": {"aes128gcm"},
		"Content-Type":     {"application/octet-stream"},
		"Topic":            {topic(m.EventID)},
		"Ttl":              {strconv.FormatInt(int64(p.ttl(m)/time.Second), 10)},
		"Urgency":          {urgency(m)},
	}
	return req, nil
}

// ttl is how long the push service is to keep a message for a browser that is off.
func (p *Push) ttl(m schoolbell.Message) time.Duration {
	if m.ExpiresAt.IsZero() {
		return defaultTTL
	}
	return min(max(m.ExpiresAt.Sub(p.now()), 0), maxTTL)
}

// urgency decides whether a message may wait until the device is used or charged (RFC 8030, 5.3).
func urgency(m schoolbell.Message) string {
	switch {
	case m.Lane == schoolbell.LaneUrgent:
		return "high"
	case m.Category == schoolbell.CategoryDigest:
		return "low"
	}
	return "normal"
}

// judge turns the reply of a push service into a result. A 201 says that the push service has the message, not that it was shown.
func (p *Push) judge(origin string, reply calls.Reply) schoolbell.Result {
	reason := fmt.Sprintf("the push service replied %d", reply.Status) + detail(reply.Body)
	after := calls.RetryAfter(reply.Header, p.now())
	switch status := reply.Status; {
	case reply.OK():
		p.rests.good(origin)
		return schoolbell.Result{Verdict: schoolbell.VerdictSent}
	case status == http.StatusNotFound || status == http.StatusGone || status == http.StatusMovedPermanently: // 301: an endpoint of old
		p.rests.good(origin)
		return schoolbell.Result{Verdict: schoolbell.VerdictGiveUp, Reason: reason + ": it does not know the device any more", Address: schoolbell.AddressBounced}
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		p.tokens.Forget(origin)
		p.cfg.Logger.Error("a push service refuses this program: check PUSH_PUBLIC_KEY, PUSH_PRIVATE_KEY, PUSH_SUBJECT and the clock",
			"service", origin, "status", status, "reason", reason, "again_in", longRest)
		return p.rests.rest(origin, max(after, longRest), reason)
	case status == http.StatusTooManyRequests || status == http.StatusNotAcceptable || status == http.StatusServiceUnavailable && after > 0: // 406: Windows
		return p.rests.rest(origin, after, reason)
	case status >= 500 || status == http.StatusRequestTimeout:
		return schoolbell.Result{Verdict: schoolbell.VerdictRetry, Reason: reason}
	}
	return giveUp(reason)
}

// failed turns a request without a reply into a result.
//
// A lost reply is not uncertain: the message has the topic and the tag of the next attempt, so the push service replaces
// it, or the browser shows the second in the place of the first.
func (p *Push) failed(origin string, err error) schoolbell.Result {
	reason := "the push service cannot be reached: " + cause(err)
	var failure *calls.Failure
	switch {
	case errors.Is(err, publicdial.ErrRefused):
		return giveUp("the push service of the device may not be dialled: " + cause(err))
	case errors.As(err, &failure) && failure.Written:
		return schoolbell.Result{Verdict: schoolbell.VerdictRetry, Reason: "the reply of the push service was lost: " + cause(err)}
	case isUnknownHost(err):
		return schoolbell.Result{Verdict: schoolbell.VerdictRetry, Reason: reason}
	}
	return p.rests.rest(origin, 0, reason)
}

// isUnknownHost reports whether a name leads nowhere. Then it is the address that is wrong, not the network.
func isUnknownHost(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// cause returns what is wrong with a connection, without addresses.
func cause(err error) string {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return "its name cannot be resolved"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	return err.Error()
}

func giveUp(reason string) schoolbell.Result {
	return schoolbell.Result{Verdict: schoolbell.VerdictGiveUp, Reason: reason}
}
