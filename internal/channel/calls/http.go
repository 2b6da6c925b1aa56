package calls

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"

	"schoolbell"
)

const (
	maxReply    = 64 << 10         // bytes of a reply that are read
	maxWait     = 24 * 60 * 60     // seconds that a reply can ask to wait
	idleTimeout = 20 * time.Second // shorter than that of the providers: a POST on a connection they have closed would be uncertain
)

// NewClient returns an HTTP client for at most so many requests at once. It follows no redirects and repeats no request:
// requests must not have the headers Idempotency-Key and X-Idempotency-Key, with which net/http repeats them.
func NewClient(connections int) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost, t.IdleConnTimeout = connections, connections, idleTimeout
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Reply is a reply that was read to its end.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte // its first 64 KiB
}

// OK reports whether the provider did what the request asked for.
func (r Reply) OK() bool { return r.Status >= 200 && r.Status < 300 }

// Failure is why there is no whole reply. Its text has neither the URL of the request nor anything of its body.
type Failure struct {
	Written bool // the provider may have the request
	Err     error
}

func (f *Failure) Error() string { return f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }

// Result is what the failure says of the message of the request: nothing was offered, so that the provider cannot be used,
// or it may have been accepted.
func (f *Failure) Result() schoolbell.Result {
	if f.Written {
		return schoolbell.Result{Verdict: schoolbell.VerdictUncertain, Reason: Words(f.Error())}
	}
	return schoolbell.Result{Verdict: schoolbell.VerdictSlowDown, Reason: Words(f.Error()), Down: true}
}

// ResultOf is Result with the name of the provider in its reason.
func (f *Failure) ResultOf(provider string) schoolbell.Result {
	r := f.Result()
	r.Reason = Words(provider + ": " + r.Reason)
	return r
}

// BaseURL returns the URL of a provider without a slash at its end, or what is wrong with the setting. Credentials are
// sent there, so it is http:// on this machine only.
func BaseURL(setting, text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && schoolbell.Loopback(u.Hostname())) {
		return "", schoolbell.Invalid(setting, "must be a URL that begins with https://")
	}
	return strings.TrimRight(text, "/"), nil
}

// Do sends a request and reads the reply. The error is a *Failure.
func Do(ctx context.Context, client *http.Client, req *http.Request) (Reply, error) {
	written := false
	trace := &httptrace.ClientTrace{
		GetConn: func(string) { written = false }, // a further one: nothing of the request could be written to the one before
		GotConn: func(httptrace.GotConnInfo) { written = true },
	}
	res, err := client.Do(req.WithContext(httptrace.WithClientTrace(ctx, trace)))
	if err != nil {
		return Reply{}, &Failure{Written: written, Err: withoutURL(err)}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReply))
	if err != nil {
		return Reply{}, &Failure{Written: true, Err: fmt.Errorf("read the reply of status %d: %w", res.StatusCode, withoutURL(err))}
	}
	return Reply{Status: res.StatusCode, Header: res.Header, Body: body}, nil
}

// withoutURL removes the URL, which may have a secret, from an error of net/http.
func withoutURL(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		err = e.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no reply in time: %w", err)
	}
	return err
}

// RetryAfter returns the wait that a reply asks for, in seconds or until a date (RFC 9110, 10.2.3), and 0 if it asks for none.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(max(0, min(seconds, maxWait))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, min(at.Sub(now), maxWait*time.Second))
	}
	return 0
}
