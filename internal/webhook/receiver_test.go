package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"schoolbell/wire"
)

// received is a message as a receiver got it.
type received struct {
	id, signature string
	body          string
	message       wire.WebhookMessage
}

// receiver takes messages and checks their form. It answers with the statuses of its script, one after the other, the last one
// for ever.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []received
	script []int
	header http.Header
	hold   chan struct{} // not nil: requests wait until it is closed
	first  func()        // not nil: called during the first request
	now    func() time.Time
}

func newReceiver(t *testing.T, script ...int) *receiver {
	r := &receiver{script: script, header: http.Header{}, now: time.Now}
	r.Server = httptest.NewServer(r.handler(t))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) handler(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		in := received{id: req.Header.Get("webhook-id"), signature: req.Header.Get("webhook-signature"), body: string(body)}
		if err != nil || json.Unmarshal(body, &in.message) != nil || req.Method != http.MethodPost || req.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %v %s", req.Method, req.Header, body)
		}
		seconds, err := strconv.ParseInt(req.Header.Get("webhook-timestamp"), 10, 64)
		if age := r.now().Sub(time.Unix(seconds, 0)); err != nil || age > 5*time.Minute || age < -5*time.Minute {
			t.Errorf("webhook-timestamp is %q", req.Header.Get("webhook-timestamp"))
		}
		if strings.Contains(in.id, ".") || len(body) > 20_000 {
			t.Errorf("id %s, %d bytes", in.id, len(body))
		}
		in.signature = req.Header.Get("webhook-timestamp") + " " + in.signature
		r.mu.Lock()
		r.got = append(r.got, in)
		status := r.script[min(len(r.got), len(r.script))-1]
		for name, values := range r.header {
			w.Header()[name] = values
		}
		hold, first := r.hold, r.first
		r.first = nil
		r.mu.Unlock()
		if first != nil {
			first()
		}
		if hold != nil {
			<-hold
		}
		w.WriteHeader(status)
	}
}

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

func (r *receiver) ids() (ids []string) {
	for _, m := range r.all() {
		ids = append(ids, m.id)
	}
	return ids
}

// signedBy tells whether a message has a signature by a secret, as a receiver would check it that knows nothing of this program.
func (m received) signedBy(secret string) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	fields := strings.Fields(m.signature)
	if err != nil || len(key) < 24 {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(m.id + "." + fields[0] + "." + m.body))
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return slices.Contains(fields[1:], want)
}
