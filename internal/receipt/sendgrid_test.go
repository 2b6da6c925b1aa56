package receipt

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
)

// A request that the libraries sendgrid-go and npm @sendgrid/eventwebhook accept.
const (
	vectorKey       = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsYnnmV3fyO8IYxJPt7FjaPMxCRwm9YtPFfbskXg7M4oNMQvJIGXTXDoDYPybOZ2B6bFge77BxbKv+2gJXjLecw=="
	vectorTimestamp = "1795600000"
	vectorBody      = `[{"event":"delivered","sg_event_id":"e1"}]` + "\r\n"
	vectorSignature = "MEQCIA3jV1Dyw1std9uZ2WDaJsXOzuAhIoAnsGMNZxVRBznnAiAqat7T3HjMSoZcjgXFtAe7bIRQ/8v2jni46J+7Ezxv4w=="
)

func publicKey(t testing.TB, text string) *ecdsa.PublicKey {
	t.Helper()
	der, err := base64.StdEncoding.DecodeString(text)
	must(t, err)
	public, err := x509.ParsePKIXPublicKey(der)
	must(t, err)
	return public.(*ecdsa.PublicKey)
}

func signedRequest(body, stamp, signature string) Request {
	return Request{Body: []byte(body), Header: http.Header{sendGridSignature: {signature}, sendGridTimestamp: {stamp}}}
}

func TestSendGrid(t *testing.T) {
	t.Parallel()
	t.Run("a request of SendGrid is accepted", testSendGridVector)
	t.Run("requests that SendGrid did not sign are refused", testSendGridForged)
	t.Run("each event has its kind", testSendGridKinds)
	t.Run("a receipt names its delivery", testSendGridReceipt)
	t.Run("an event that cannot be decoded does not stop the others", testSendGridMixed)
}

func testSendGridVector(t *testing.T) {
	t.Parallel()
	s := &sendGrid{key: publicKey(t, vectorKey), now: func() time.Time { return time.Unix(1795600000, 0).Add(9 * time.Minute) }}
	must(t, s.verify(signedRequest(vectorBody, vectorTimestamp, vectorSignature)))
}

func testSendGridForged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		r    Request
		late time.Duration
	}{
		{"without the line end", signedRequest(vectorBody[:len(vectorBody)-2], vectorTimestamp, vectorSignature), 0},
		{"another timestamp", signedRequest(vectorBody, "1795600001", vectorSignature), 0},
		{"no signature", Request{Body: []byte(vectorBody), Header: http.Header{}}, 0},
		{"a signature that is none", signedRequest(vectorBody, vectorTimestamp, "AAAA"), 0},
		{"a signature in another notation", signedRequest(vectorBody, vectorTimestamp, "%"), 0},
		{"an old request", signedRequest(vectorBody, vectorTimestamp, vectorSignature), 11 * time.Minute},
		{"a request of later", signedRequest(vectorBody, vectorTimestamp, vectorSignature), -11 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ledger := &kept{}
			s := New(Config{Secret: "s", SendGridKey: publicKey(t, vectorKey), Clock: func() time.Time { return time.Unix(1795600000, 0).Add(c.late) }}, ledger, slog.New(slog.DiscardHandler))
			if err := s.Take(t.Context(), SendGrid, c.r); schoolbell.CodeOf(err) != schoolbell.CodeForbidden || len(ledger.receipts) > 0 {
				t.Errorf("%d receipts, error %v", len(ledger.receipts), err)
			}
		})
	}
}

func sendGridEventOf(fields string) string {
	return fmt.Sprintf(`{"email":"ada@school.example","timestamp":%d,"sg_event_id":"e-1","sg_message_id":"m.filter","schoolbell_message":%q,"category":["event"],%s}`,
		testTime.Add(-time.Minute).Unix(), key, fields)
}

func testSendGridKinds(t *testing.T) {
	t.Parallel()
	for fields, want := range map[string]schoolbell.ReceiptKind{
		`"event":"processed"`:                                                      schoolbell.ReceiptAccepted,
		`"event":"deferred","attempt":"3"`:                                         schoolbell.ReceiptAccepted,
		`"event":"delivered","response":"ok"`:                                      schoolbell.ReceiptDelivered,
		`"event":"bounce","type":"bounce","status":"5.1.1","reason":"500 unknown"`: schoolbell.ReceiptBounced,
		`"event":"bounce","type":"bounce","status":"5.2.2","reason":"full"`:        schoolbell.ReceiptSoftBounced,
		`"event":"bounce","type":"blocked","status":"5.7.1","reason":"policy"`:     schoolbell.ReceiptFailed,
		`"event":"dropped","reason":"Invalid"`:                                     schoolbell.ReceiptBounced,
		`"event":"dropped","reason":"Bounced Address"`:                             schoolbell.ReceiptBounced,
		`"event":"dropped","type":"Bounced Address"`:                               schoolbell.ReceiptBounced,
		`"event":"dropped","reason":"Unsubscribed Address"`:                        schoolbell.ReceiptRefused,
		`"event":"dropped","reason":"Spam Reporting Address"`:                      schoolbell.ReceiptComplained,
		`"event":"dropped","reason":"Spam Content"`:                                schoolbell.ReceiptFailed,
		`"event":"spamreport"`:                                                     schoolbell.ReceiptComplained,
		`"event":"unsubscribe"`:                                                    schoolbell.ReceiptStopped,
		`"event":"group_unsubscribe"`:                                              schoolbell.ReceiptStopped,
		`"event":"group_resubscribe"`:                                              schoolbell.ReceiptStarted,
		`"event":"open"`:                                                           "",
		`"event":"click","url":"x"`:                                                "",
		`"event":"invented"`:                                                       "",
	} {
		receipts, err := decodeSendGrid([]byte("["+sendGridEventOf(fields)+"]\r\n"), testTime)
		must(t, err)
		var got schoolbell.ReceiptKind
		if len(receipts) == 1 {
			got = receipts[0].Kind
		}
		if got != want {
			t.Errorf("%s is %q, want %q", fields, got, want)
		}
	}
}

func testSendGridReceipt(t *testing.T) {
	t.Parallel()
	receipts, err := decodeSendGrid([]byte("["+sendGridEventOf(`"event":"bounce","type":"bounce","status":"5.1.1","reason":"550 5.1.1 <ada@school.example>\r\n unknown"`)+"]"), testTime)
	must(t, err)
	want := []schoolbell.Receipt{{Provider: "sendgrid", ID: "e-1", EventID: eventID, Wave: 1, Channel: schoolbell.ChannelEmail, User: 7,
		Kind: schoolbell.ReceiptBounced, Address: "ada@school.example", Reason: "5.1.1 550 5.1.1 <[address]> unknown", At: testTime.Add(-time.Minute)}}
	if diff := cmp.Diff(want, receipts); diff != "" {
		t.Error(diff)
	}
}

func testSendGridMixed(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]int{
		"[]": 0,
		"[" + sendGridEventOf(`"event":"delivered"`) + `,1,null,"x",{},{"event":5},{"event":"delivered","sg_event_id":"e-2"},` + sendGridEventOf(`"event":"processed"`) + "]": 2,
		`[{"event":"delivered","sg_event_id":"e-2","smtp-id":"<` + key.String() + `@school.example>"}]`:                                                                       1,
	} {
		if receipts, err := decodeSendGrid([]byte(body), testTime); err != nil || len(receipts) != want {
			t.Errorf("%s: %d receipts, %v", body, len(receipts), err)
		}
	}
	for _, body := range []string{"", "{}", "[", "null x"} {
		if _, err := decodeSendGrid([]byte(body), testTime); schoolbell.CodeOf(err) != schoolbell.CodeInvalid {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func FuzzSendGrid(f *testing.F) {
	f.Add(vectorBody)
	f.Add("[" + sendGridEventOf(`"event":"bounce"`) + "]")
	f.Add(`[{"event":"delivered","sg_event_id":"e","schoolbell_message":"e.1","timestamp":"1e400"}]`)
	f.Fuzz(func(t *testing.T, body string) {
		receipts, _ := decodeSendGrid([]byte(body), testTime)
		checkReceipts(t, receipts)
	})
}

// Requests that SendGrid signs with its key of this moment pass, however they are put together.
func FuzzSendGridSignature(f *testing.F) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(f, err)
	f.Add("[]\r\n", "")
	f.Add("", "x")
	f.Fuzz(func(t *testing.T, body, added string) {
		s := &sendGrid{key: &private.PublicKey, now: func() time.Time { return testTime }}
		stamp := strconv.FormatInt(testTime.Unix(), 10)
		digest := sha256.Sum256([]byte(stamp + body))
		signature, err := ecdsa.SignASN1(rand.Reader, private, digest[:])
		must(t, err)
		text := base64.StdEncoding.EncodeToString(signature)
		must(t, s.verify(signedRequest(body, stamp, text)))
		if err := s.verify(signedRequest(body+added, stamp, text)); added != "" && schoolbell.CodeOf(err) != schoolbell.CodeForbidden {
			t.Errorf("%q added to %q: %v", added, body, err)
		}
	})
}
