package fake_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"schoolbell/internal/channel/sms/twilio"
	"schoolbell/internal/fake"
	"schoolbell/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// receiver takes the reports of a fake Twilio and checks their signatures.
func receiver(t *testing.T, token string) (address string, reports <-chan url.Values) {
	t.Helper()
	got := make(chan url.Values, 20)
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		if want := twilio.Sign(token, server.URL+r.URL.String(), r.PostForm); r.Header.Get("X-Twilio-Signature") != want {
			t.Errorf("signature %s, want %s", r.Header.Get("X-Twilio-Signature"), want)
		}
		got <- r.Form // with the query
	}))
	t.Cleanup(server.Close)
	return server.URL, got
}

// post offers a message to a fake.
func post(t *testing.T, f *fake.Twilio, user, password string, form url.Values) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.URL()+"/2010-04-01/Accounts/AC1/Messages.json", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(user, password)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

func start(t *testing.T, opts fake.TwilioOptions) *fake.Twilio {
	t.Helper()
	opts.AccountSID, opts.AuthToken = "AC1", "token"
	f, err := fake.NewTwilio(opts)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = f.Run(context.Background()) }()
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func message(callback string) url.Values {
	return url.Values{"To": {"+31612345678"}, "From": {"+15005550006"}, "Body": {"Hello"}, "StatusCallback": {callback}}
}

func TestTwilio(t *testing.T) {
	t.Parallel()
	t.Run("statuses are reported in their order and signed", testTwilioReports)
	t.Run("a person who sent STOP gets nothing until START", testTwilioStop)
	t.Run("credentials are checked", testTwilioCredentials)
	t.Run("limits are kept", testTwilioLimits)
}

func testTwilioReports(t *testing.T) {
	t.Parallel()
	address, reports := receiver(t, "token")
	f := start(t, fake.TwilioOptions{Reports: fake.Reports{Delay: time.Millisecond, Plan: func(string) []fake.Report {
		return []fake.Report{fake.ReportDelivered, fake.ReportAccepted, fake.ReportAccepted, fake.ReportFull}
	}}})
	if status := post(t, f, "AC1", "token", message(address+"/status?d=event.7")); status != http.StatusCreated {
		t.Fatalf("status %d", status)
	}
	var got []string
	for range 4 {
		r := <-reports
		got = append(got, r.Get("MessageStatus"))
		if r.Get("d") != "event.7" || r.Get("MessageSid") != f.Messages()[0].SID || r.Get("To") != "+31612345678" {
			t.Errorf("report %v", r)
		}
		if code := r.Get("ErrorCode"); (r.Get("MessageStatus") == "undelivered") != (code == "30003") {
			t.Errorf("%s has error code %q", r.Get("MessageStatus"), code)
		}
	}
	if !slices.Equal(got, []string{"delivered", "sent", "sent", "undelivered"}) || f.Accepted("event.7") != 1 {
		t.Errorf("reports %v, accepted %d times", got, f.Accepted("event.7"))
	}
}

func testTwilioStop(t *testing.T) {
	t.Parallel()
	address, reports := receiver(t, "token")
	f := start(t, fake.TwilioOptions{InboundURL: address + "/inbound"})
	for _, step := range []struct {
		word, optOut string
		status       int // of a message after it
	}{{"hello", "", 201}, {" Stop ", "STOP", 400}, {"START", "START", 201}} {
		if err := f.Inbound("+31612345678", "+15005550006", step.word, true); err != nil {
			t.Fatal(err)
		}
		if r := <-reports; r.Get("OptOutType") != step.optOut || r.Get("Body") != step.word || r.Get("From") != "+31612345678" {
			t.Errorf("after %q: %v", step.word, r)
		}
		if status := post(t, f, "AC1", "token", message("")); status != step.status {
			t.Errorf("after %q: status %d, want %d", step.word, status, step.status)
		}
	}
}

func testTwilioCredentials(t *testing.T) {
	t.Parallel()
	f := start(t, fake.TwilioOptions{KeySID: "SK1", KeySecret: "secret"})
	for _, c := range []struct {
		user, password string
		status         int
	}{{"AC1", "token", 201}, {"SK1", "secret", 201}, {"AC1", "secret", 401}, {"SK1", "token", 401}, {"AC2", "token", 401}, {"", "", 401}} {
		if status := post(t, f, c.user, c.password, message("")); status != c.status {
			t.Errorf("%s:%s gets status %d, want %d", c.user, c.password, status, c.status)
		}
	}
}

func testTwilioLimits(t *testing.T) {
	t.Parallel()
	f := start(t, fake.TwilioOptions{DailyLimit: 1})
	for _, want := range []int{201, 429} {
		if status := post(t, f, "AC1", "token", message("")); status != want {
			t.Errorf("status %d, want %d", status, want)
		}
	}
	going := make(chan struct{})
	busy := start(t, fake.TwilioOptions{Concurrent: 1, Answer: func(fake.TwilioMessage) fake.TwilioAnswer { return fake.TwilioAnswer{Hold: going} }})
	first := make(chan int)
	go func() { first <- post(t, busy, "AC1", "token", message("")) }()
	testenv.Eventually(t, 20*time.Second, func() bool { return len(busy.Messages()) == 1 }, "the first message is there")
	if status := post(t, busy, "AC1", "token", message("")); status != http.StatusTooManyRequests {
		t.Errorf("a second message gets status %d", status)
	}
	close(going)
	if status := <-first; status != http.StatusCreated {
		t.Errorf("the first message gets status %d", status)
	}
}
