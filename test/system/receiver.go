package system

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"schoolbell"
	"schoolbell/wire"
)

// WebhookMessage is a message that a receiver took.
type WebhookMessage struct {
	ID string // of the message: repeats have the same
	wire.WebhookMessage
}

// Receiver is a program behind a webhook. It takes messages with a good signature.
type Receiver struct {
	t    testing.TB
	http *httptest.Server

	mu     sync.Mutex
	secret string
	got    []WebhookMessage
	hold   chan struct{} // not nil: requests hang until it is closed
}

// NewReceiver starts a receiver, and stops it when the test ends.
func NewReceiver(t testing.TB) *Receiver {
	r := &Receiver{t: t}
	r.http = httptest.NewServer(r)
	t.Cleanup(func() {
		r.Release()
		r.http.Close()
	})
	return r
}

// Subscribe creates a webhook of a school for this receiver.
func (r *Receiver) Subscribe(s *School, types ...schoolbell.WebhookType) *wire.Webhook {
	r.t.Helper()
	w, err := s.Client.AddWebhook(r.t.Context(), wire.NewWebhook{URL: r.http.URL, Types: types})
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secret = w.Secret
	return w
}

// Hold makes requests hang after the receiver has taken them.
func (r *Receiver) Hold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hold = make(chan struct{})
}

// Release lets requests be answered.
func (r *Receiver) Release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hold != nil {
		close(r.hold)
		r.hold = nil
	}
}

// Messages returns what was taken so far, with repeats.
func (r *Receiver) Messages() []WebhookMessage {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// ServeHTTP implements http.Handler.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	m := WebhookMessage{ID: req.Header.Get("webhook-id")}
	r.mu.Lock()
	hold := r.hold
	if err != nil || json.Unmarshal(body, &m.WebhookMessage) != nil || !signed(r.secret, req.Header, body) {
		r.mu.Unlock()
		r.t.Errorf("a webhook message that is not signed: %v %s", req.Header, body)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	r.got = append(r.got, m)
	r.mu.Unlock()
	if hold != nil {
		<-hold
	}
	w.WriteHeader(http.StatusNoContent)
}

// signed checks a signature as Standard Webhooks defines it.
func signed(secret string, h http.Header, body []byte) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) == 0 {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(h.Get("webhook-id") + "." + h.Get("webhook-timestamp") + "."))
	mac.Write(body)
	return slices.Contains(strings.Fields(h.Get("webhook-signature")), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}
