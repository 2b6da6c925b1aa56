package fake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// This file has the requests of the fake Twilio's API and the replies to them.

// create is POST Messages.json.
func (t *Twilio) create(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		writeProblem(w, TwilioAnswer{Code: 20001, Text: "the form cannot be read"})
		return
	}
	if !t.begin() {
		writeProblem(w, TwilioAnswer{Status: 429, Code: 20429, Text: "Too Many Requests"})
		return
	}
	defer t.end()
	m := offered(r.PostForm)
	answer := t.judge(m)
	if answer.Status != 0 || answer.Code != 0 {
		writeProblem(w, answer)
		return
	}
	if answer.Hang {
		select {
		case <-r.Context().Done():
		case <-t.stopping.Done():
		}
		panic(http.ErrAbortHandler)
	}
	m.Unlisted = answer.Unlisted
	accepted := t.store(m)
	if answer.Hold != nil {
		select {
		case <-answer.Hold:
		case <-r.Context().Done():
		case <-t.stopping.Done():
		}
	}
	switch {
	case answer.Fail != 0:
		writeProblem(w, TwilioAnswer{Status: answer.Fail, Code: 20500, Text: "An internal server error has occurred"})
	case answer.Reset:
		panic(http.ErrAbortHandler)
	default:
		t.reply(w, accepted, answer.Cut)
	}
}

// offered reads the form of a message.
func offered(form url.Values) TwilioMessage {
	m := TwilioMessage{
		To: form.Get("To"), From: form.Get("From"), Service: form.Get("MessagingServiceSid"), Body: form.Get("Body"), Callback: form.Get("StatusCallback"),
	}
	if form.Has("ValidityPeriod") {
		seconds, err := strconv.Atoi(form.Get("ValidityPeriod"))
		if err != nil || seconds < 1 {
			seconds = -1 // refused
		}
		m.Validity = seconds
	}
	if u, err := url.Parse(m.Callback); err == nil {
		m.Token = u.Query().Get("d")
	}
	return m
}

// reply writes an accepted message.
func (t *Twilio) reply(w http.ResponseWriter, m TwilioMessage, cut bool) {
	shown := t.shown(m)
	if m.Service != "" {
		shown["num_segments"] = "0" // not known before a number is chosen
	}
	body, err := json.Marshal(shown)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusCreated)
	if cut {
		_, _ = w.Write(body[:len(body)/2]) // the client may have gone
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(body)
}

// shown is a message as the API shows it.
func (t *Twilio) shown(m TwilioMessage) map[string]any {
	orNull := func(empty bool, v any) any {
		if empty {
			return nil
		}
		return v
	}
	return map[string]any{
		"sid": m.SID, "account_sid": t.opts.AccountSID, "api_version": "2010-04-01", "direction": "outbound-api",
		"to": m.To, "from": orNull(m.From == "", m.From), "messaging_service_sid": orNull(m.Service == "", m.Service),
		"body": m.Body, "num_segments": strconv.Itoa(m.Segments), "num_media": "0", "status": m.Status,
		"error_code": orNull(m.Error == 0, m.Error), "error_message": nil, "price": nil, "price_unit": "USD",
		"date_created": date(m.Created), "date_updated": date(m.Created), "date_sent": orNull(m.Sent.IsZero(), date(m.Sent)),
		"uri": "/2010-04-01/Accounts/" + t.opts.AccountSID + "/Messages/" + m.SID + ".json",
	}
}

func date(at time.Time) string { return at.UTC().Format(time.RFC1123Z) }

// writeProblem writes an error as Twilio does, or one of a machine in front of it if it has no code.
func writeProblem(w http.ResponseWriter, a TwilioAnswer) {
	if a.Status == 0 {
		a.Status = http.StatusBadRequest
	}
	if a.Code == 0 {
		http.Error(w, http.StatusText(a.Status), a.Status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.Status)
	_ = json.NewEncoder(w).Encode(map[string]any{ // the client may have gone
		"code": a.Code, "message": a.Text, "more_info": fmt.Sprintf("https://www.twilio.com/docs/errors/%d", a.Code), "status": a.Status,
	})
}

// list is GET Messages.json, the newest messages first. A message that was not passed on yet has no time of sending, so a
// question with DateSent> does not find it.
func (t *Twilio) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	size, page := number(q.Get("PageSize"), 50), number(q.Get("Page"), 0)
	day := q.Get("DateSent>")
	found := t.Messages()
	slices.Reverse(found)
	found = slices.DeleteFunc(found, func(m TwilioMessage) bool {
		return m.Unlisted || q.Has("To") && m.To != q.Get("To") || day != "" && (m.Sent.IsZero() || m.Sent.UTC().Format(time.DateOnly) < day)
	})
	rest := found[min(page*size, len(found)):]
	shown, next := []any{}, any(nil)
	for _, m := range rest[:min(size, len(rest))] {
		shown = append(shown, t.shown(m))
	}
	if len(rest) > size {
		q.Set("Page", strconv.Itoa(page+1))
		next = r.URL.Path + "?" + q.Encode()
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"messages": shown, "page": page, "page_size": size, "next_page_uri": next}) // the client may have gone
}

func number(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return n
	}
	return otherwise
}
