package fake

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"schoolbell"
)

// PushOptions say how a fake push service behaves. Its zero value accepts every valid message.
type PushOptions struct {
	Addr      string // to listen on; any port of 127.0.0.1 if empty
	PublicKey string // that browsers subscribe with: messages signed by another are answered with 403. Any if empty

	// Script decides about a device; nil means ByRecipient. Answer says more about a message: it comes before the script,
	// which is asked if it returns the zero value. Both are called by several goroutines at once, and may wait.
	Script Script
	Answer func(m PushMessage) PushAnswer
}

// PushMessage is a message that was offered and could be decrypted.
type PushMessage struct {
	Device   string // the last part of the endpoint
	TTL      int    // seconds
	Urgency  string
	Topic    string
	Subject  string // of the sender
	Text     []byte // decrypted
	Title    string // of Text, like the following
	Body     string
	URL      string
	Tag      string
	EventID  string
	BodySize int // bytes of the encrypted body
}

// PushAnswer is what happens to a message. Its zero value accepts it.
type PushAnswer struct {
	Status     int    // of a message that is not accepted
	Reason     string // in the body of the reply
	RetryAfter string // a header of the reply; none if empty
	Hang       bool   // there is no reply, and nothing is accepted

	// What happens after the message was accepted.
	Hold  <-chan struct{} // the reply waits until it is closed or the client has gone
	Reset bool            // the connection ends without a reply
	Fail  int             // the reply has this status
}

// Push is a push service, together with the browsers that have subscribed at it. Tokens are the ids of events. It is safe
// for concurrent use.
type Push struct {
	*Server
	opts PushOptions

	state    sync.Mutex
	browsers map[string]*browser // by device
	messages []PushMessage       // accepted ones, the oldest first
}

// browser is one that has subscribed.
type browser struct {
	private *ecdh.PrivateKey
	secret  []byte
	gone    bool
	waiting []PushMessage // until the browser asks, the oldest first
}

// NewPush returns a fake that listens. The caller runs or closes it.
func NewPush(o PushOptions) (*Push, error) {
	p := &Push{opts: o, browsers: map[string]*browser{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /push/{device}", p.receive)
	mux.HandleFunc("POST /fake/browsers", p.playBrowser)
	server, err := newServer(o.Addr, o.Script, mux)
	if err != nil {
		return nil, err
	}
	p.Server = server
	return p, nil
}

// playBrowser subscribes a browser, and answers with what its page would register. The parameter act says what
// happens to messages to it.
func (p *Push) playBrowser(w http.ResponseWriter, r *http.Request) {
	s, err := p.subscribe(r.FormValue("act"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s)
}

// Subscribe adds a browser and returns its subscription.
func (p *Push) Subscribe() (schoolbell.PushSubscription, error) { return p.subscribe("") }

// subscribe adds a browser whose device begins with an act, unless that is empty.
func (p *Push) subscribe(act string) (schoolbell.PushSubscription, error) {
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return schoolbell.PushSubscription{}, fmt.Errorf("make a key pair: %w", err)
	}
	secret := make([]byte, 16)
	if _, err := rand.Read(secret); err != nil {
		return schoolbell.PushSubscription{}, fmt.Errorf("make a secret: %w", err)
	}
	device := rand.Text()
	if act != "" {
		device = act + "." + device
	}
	p.state.Lock()
	defer p.state.Unlock()
	p.browsers[device] = &browser{private: private, secret: secret}
	return schoolbell.PushSubscription{Endpoint: p.URL() + "/push/" + device, Keys: schoolbell.PushKeys{
		P256dh: base64.RawURLEncoding.EncodeToString(private.PublicKey().Bytes()), Auth: base64.RawURLEncoding.EncodeToString(secret)}}, nil
}

// Unsubscribe makes the push service answer messages to a browser with 410 from now on.
func (p *Push) Unsubscribe(s schoolbell.PushSubscription) {
	p.state.Lock()
	defer p.state.Unlock()
	if b := p.browsers[deviceOf(s)]; b != nil {
		b.gone = true
	}
}

// Messages returns the accepted messages, the oldest first, also those that were replaced.
func (p *Push) Messages() []PushMessage {
	p.state.Lock()
	defer p.state.Unlock()
	return slices.Clone(p.messages)
}

// Fetch returns what a browser gets when it connects: of the messages with one topic, the last.
func (p *Push) Fetch(s schoolbell.PushSubscription) []PushMessage {
	p.state.Lock()
	defer p.state.Unlock()
	b := p.browsers[deviceOf(s)]
	if b == nil {
		return nil
	}
	waiting := b.waiting
	b.waiting = nil
	return waiting
}

// deviceOf returns the last part of an endpoint.
func deviceOf(s schoolbell.PushSubscription) string {
	for i := len(s.Endpoint) - 1; i >= 0; i-- {
		if s.Endpoint[i] == '/' {
			return s.Endpoint[i+1:]
		}
	}
	return s.Endpoint
}

// pushRefusal is the reply to a message that is not accepted.
type pushRefusal struct {
	status int
	reason string
}

func (r *pushRefusal) Error() string { return r.reason }

func refusePush(status int, reason string) error { return &pushRefusal{status, reason} }

// receive answers one message.
func (p *Push) receive(w http.ResponseWriter, r *http.Request) {
	m, err := p.read(r)
	var answer PushAnswer
	if refusal := (*pushRefusal)(nil); errors.As(err, &refusal) {
		answer = PushAnswer{Status: refusal.status, Reason: refusal.reason}
	} else if err != nil {
		answer = PushAnswer{Status: http.StatusBadRequest, Reason: "BadRequest"}
	} else {
		answer = p.answer(m)
	}
	if answer.RetryAfter != "" {
		w.Header().Set("Retry-After", answer.RetryAfter)
	}
	if answer.Status != 0 {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(answer.Status)
		_ = json.NewEncoder(w).Encode(map[string]string{"reason": answer.Reason})
		return
	}
	if answer.Hang {
		select {
		case <-r.Context().Done():
		case <-p.stopping.Done():
		}
		panic(http.ErrAbortHandler)
	}
	p.store(m)
	if answer.Hold != nil {
		select {
		case <-answer.Hold:
		case <-r.Context().Done():
		case <-p.stopping.Done():
		}
	}
	if answer.Reset {
		panic(http.ErrAbortHandler)
	}
	if answer.Fail != 0 {
		w.WriteHeader(answer.Fail)
		return
	}
	w.Header().Set("Location", p.URL()+"/message/"+rand.Text())
	w.WriteHeader(http.StatusCreated)
}

// answer is what the options and the script say about a message.
func (p *Push) answer(m PushMessage) PushAnswer {
	if p.opts.Answer != nil {
		if answer := p.opts.Answer(m); answer != (PushAnswer{}) {
			return answer
		}
	}
	return pushActs[p.act(m.Device)]
}

// pushActs are the acts as answers.
var pushActs = map[Act]PushAnswer{
	Reject:   {Status: http.StatusGone, Reason: "Unregistered"},
	Defer:    {Status: http.StatusServiceUnavailable, Reason: "ServiceUnavailable"},
	Throttle: {Status: http.StatusTooManyRequests, Reason: "TooManyRequests", RetryAfter: "2"},
	Stop:     {Status: http.StatusForbidden, Reason: "BadJwtToken"},
	Fail:     {Fail: http.StatusInternalServerError},
	Hang:     {Hang: true},
	Reset:    {Reset: true},
	Cut:      {Reset: true},
}

func (p *Push) store(m PushMessage) {
	p.accept(m.EventID)
	p.say("accepted to device %s: %s - %s", m.Device, m.Title, m.Body)
	p.state.Lock()
	defer p.state.Unlock()
	p.messages = append(p.messages, m)
	b := p.browsers[m.Device]
	if m.Topic != "" {
		b.waiting = slices.DeleteFunc(b.waiting, func(w PushMessage) bool { return w.Topic == m.Topic })
	}
	b.waiting = append(b.waiting, m)
}

const maxPushBody = 4096

var (
	topicPattern   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)
	urgencyPattern = regexp.MustCompile(`^(very-low|low|normal|high)?$`)
)

// read checks a request as push services do, and decrypts the message as browsers do.
func (p *Push) read(r *http.Request) (m PushMessage, err error) {
	m = PushMessage{Device: r.PathValue("device"), Urgency: r.Header.Get("Urgency"), Topic: r.Header.Get("Topic")}
	p.state.Lock()
	b := p.browsers[m.Device]
	gone := b != nil && b.gone
	p.state.Unlock()
	switch {
	case b == nil:
		return m, refusePush(http.StatusNotFound, "NotFound")
	case gone:
		return m, refusePush(http.StatusGone, "Unregistered")
	}
	if m.Subject, err = p.checkSender(r.Header.Get("Authorization"), time.Now()); err != nil {
		return m, err
	}
	m.TTL, err = strconv.Atoi(r.Header.Get("TTL"))
	switch {
	case err != nil || m.TTL < 0:
		return m, refusePush(http.StatusBadRequest, "BadTtl")
	case m.Topic != "" && !topicPattern.MatchString(m.Topic):
		return m, refusePush(http.StatusBadRequest, "BadWebPushTopic")
	case !urgencyPattern.MatchString(m.Urgency):
		return m, refusePush(http.StatusBadRequest, "BadUrgency")
	case r.Header.Get("Content-Encoding") != "aes128gcm":
		return m, refusePush(http.StatusBadRequest, "BadEncoding")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxPushBody+1))
	if err != nil {
		return m, err
	}
	if m.BodySize = len(body); m.BodySize > maxPushBody {
		return m, refusePush(http.StatusRequestEntityTooLarge, "PayloadTooLarge")
	}
	if m.Text, err = b.decrypt(body); err != nil {
		return m, err
	}
	var text struct {
		Title, Body, URL, Tag string
		EventID               string `json:"event_id"`
	}
	if json.Unmarshal(m.Text, &text) == nil { // push services take any text
		m.Title, m.Body, m.URL, m.Tag, m.EventID = text.Title, text.Body, text.URL, text.Tag, text.EventID
	}
	return m, nil
}
