package receipt

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1" // what Twilio signs with
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"schoolbell"
)

const (
	twilioParam     = "d" // query parameter of a StatusCallback with the id of the message
	twilioSignature = "X-Twilio-Signature"
	twilioBodyHash  = "bodySHA256" // query parameter of requests with JSON
)

// twilio takes what Twilio tells about text messages, and the messages that recipients send.
type twilio struct {
	token     []byte // the account's auth token, which signs; API keys never do
	publicURL string
	now       func() time.Time
}

// receipts is the decoder of the status callbacks.
func (t *twilio) receipts(_ context.Context, r Request) ([]schoolbell.Receipt, error) {
	form, query, err := t.verify(r)
	if err != nil {
		return nil, err
	}
	return decodeTwilio(query.Get(twilioParam), form, t.now()), nil
}

// inbound is the decoder of the messages that recipients send.
func (t *twilio) inbound(_ context.Context, r Request) ([]schoolbell.Receipt, error) {
	form, _, err := t.verify(r)
	if err != nil {
		return nil, err
	}
	return decodeInbound(form, t.now()), nil
}

// verify checks the signature of a request, and returns its fields and its query.
func (t *twilio) verify(r Request) (form, query url.Values, err error) {
	u, err := url.Parse(r.URI)
	if err != nil {
		return nil, nil, forged("the address of the request cannot be read")
	}
	query = u.Query()
	signed := url.Values{}
	if want := query.Get(twilioBodyHash); want != "" {
		hash := sha256.Sum256(r.Body)
		if !strings.EqualFold(want, hex.EncodeToString(hash[:])) {
			return nil, nil, forged("the body is not the one that Twilio signed")
		}
		form = fieldsOfJSON(r.Body)
	} else {
		if form, err = url.ParseQuery(string(r.Body)); err != nil {
			return nil, nil, forged("the body is no form")
		}
		signed = form
	}
	given, err := base64.StdEncoding.DecodeString(r.Header.Get(twilioSignature))
	if err != nil || len(given) == 0 {
		return nil, nil, forged("the request has no signature of Twilio")
	}
	for _, address := range withAndWithoutPort(strings.TrimSuffix(t.publicURL, "/") + r.URI) {
		if hmac.Equal(given, signTwilio(t.token, address, signed)) {
			return form, query, nil
		}
	}
	return nil, nil, forged("the signature of Twilio is wrong: check TWILIO_AUTH_TOKEN, and that PUBLIC_URL is the address that Twilio calls")
}

// signTwilio returns the signature of a request: HMAC-SHA1 over the URL and the fields by name, each distinct value with
// its name, as npm twilio computes it.
func signTwilio(token []byte, address string, form url.Values) []byte {
	h := hmac.New(sha1.New, token)
	h.Write([]byte(address))
	for _, name := range slices.Sorted(maps.Keys(form)) {
		values := slices.Clone(form[name])
		slices.Sort(values)
		for _, v := range slices.Compact(values) {
			h.Write([]byte(name + v))
		}
	}
	return h.Sum(nil)
}

// withAndWithoutPort returns an address as it is, and with the default port of its scheme added or removed. Twilio signs
// one or the other.
func withAndWithoutPort(address string) []string {
	u, err := url.Parse(address)
	if err != nil {
		return []string{address}
	}
	port := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
	host, rest := u.Host, strings.TrimPrefix(address, u.Scheme+"://"+u.Host)
	switch {
	case port == "" || rest == address:
		return []string{address}
	case strings.HasSuffix(host, port):
		host = strings.TrimSuffix(host, port)
	case u.Port() == "":
		host += port
	default:
		return []string{address}
	}
	return []string{address, u.Scheme + "://" + host + rest}
}

// fieldsOfJSON returns the texts and numbers of a JSON object as the fields of a form. What is no object has none.
func fieldsOfJSON(body []byte) url.Values {
	var object map[string]any
	form := url.Values{}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if dec.Decode(&object) != nil {
		return form
	}
	for name, value := range object {
		switch v := value.(type) {
		case string:
			form.Set(name, v)
		case json.Number:
			form.Set(name, v.String())
		}
	}
	return form
}

// decodeTwilio returns the receipt in a status callback: none if it tells nothing about one of our messages. Callbacks
// have no time of their own.
func decodeTwilio(id string, form url.Values, now time.Time) []schoolbell.Receipt {
	key, ok := firstKey(id)
	status, sid, code := form.Get("MessageStatus"), form.Get("MessageSid"), form.Get("ErrorCode")
	kind := twilioKind(status, code)
	if !ok || sid == "" || kind == "" {
		return nil
	}
	r := ofMessage(schoolbell.ChannelSMS, key)
	r.Provider, r.ID, r.Kind, r.Address, r.At = string(Twilio), sid+"/"+status, kind, form.Get("To"), now
	if kind.Outcome() == schoolbell.OutcomeBounced {
		r.Reason = strings.TrimSpace("Twilio: " + reason(r.Address, status, code))
	}
	return []schoolbell.Receipt{r}
}

// twilioKind returns what a status is, empty for one that is not known. Any status says that Twilio has the message.
func twilioKind(status, code string) schoolbell.ReceiptKind {
	switch status {
	case "queued", "accepted", "scheduled", "sending", "sent":
		return schoolbell.ReceiptAccepted
	case "delivered", "read":
		return schoolbell.ReceiptDelivered
	case "undelivered", "failed", "canceled":
		return twilioFailure(code)
	}
	return ""
}

// twilioFailure returns what an error code says about the number (twilio.com/docs/api/errors).
func twilioFailure(code string) schoolbell.ReceiptKind {
	switch code {
	case "21211", "21614", "21635", "30005", "30006": // invalid, not mobile, landline, unknown
		return schoolbell.ReceiptBounced
	case "21610": // the recipient sent STOP
		return schoolbell.ReceiptRefused
	case "30003": // off or roaming
		return schoolbell.ReceiptSoftBounced
	}
	return schoolbell.ReceiptFailed
}

// The words by which recipients stop and start messages, without Advanced Opt-Out.
var (
	stopWords  = []string{"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"}
	startWords = []string{"START", "YES", "UNSTOP"}
)

// decodeInbound returns the receipt in a message of a recipient: none if it neither stops nor starts messages. Twilio
// answers such messages and blocks the number; the ledger follows.
func decodeInbound(form url.Values, now time.Time) []schoolbell.Receipt {
	word := form.Get("OptOutType")
	if word == "" {
		word = strings.ToUpper(strings.TrimSpace(form.Get("Body")))
	}
	r := schoolbell.Receipt{Provider: string(Twilio), ID: form.Get("MessageSid") + "/inbound", Channel: schoolbell.ChannelSMS, Address: form.Get("From"), At: now}
	switch {
	case slices.Contains(stopWords, word):
		r.Kind, r.Reason = schoolbell.ReceiptStopped, "the recipient sent STOP"
	case slices.Contains(startWords, word):
		r.Kind = schoolbell.ReceiptStarted
	}
	if r.Kind == "" || r.Address == "" || form.Get("MessageSid") == "" {
		return nil
	}
	return []schoolbell.Receipt{r}
}
