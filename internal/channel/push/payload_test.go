package push

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
)

const eventID = "019a0000-0000-7000-8000-00000000000A"

func TestPayload(t *testing.T) {
	t.Parallel()
	t.Run("the service worker gets what a notification needs", payloadFields)
	t.Run("long texts are cut at a character", payloadCut)
	t.Run("messages of an event share a topic", payloadTopic)
}

func payloadFields(t *testing.T) {
	t.Parallel()
	got, err := payloadOf(schoolbell.Message{ID: eventID + ".7", EventID: eventID, Subject: "Sports <day> & \"more\"", Text: schoolbell.Plain("Fri 4 Dec · Grüße"), Link: "https://bell.example/m/1?a=b&c=d", Category: "event", Locale: "de"})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"title":"Sports <day> & \"more\"","body":"Fri 4 Dec · Grüße","url":"https://bell.example/m/1?a=b&c=d","tag":"019a000000007000800000000000000A","event_id":"` + eventID + `","category":"event","lang":"de"}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func payloadCut(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]payload{
		"long body":           {Title: "T", Body: strings.Repeat("Grüße 🎒 ", 2000), Tag: "t"},
		"body of quotes":      {Title: "T", Body: strings.Repeat(`"\`, 4000), Tag: "t"},
		"body of separators":  {Title: "T", Body: strings.Repeat("\u2028", 4000), Tag: "t"},
		"long URL":            {Title: "T", Body: "B", URL: "https://e.example/" + strings.Repeat("u", 5000), Tag: "t"},
		"long title":          {Title: strings.Repeat("学校", 3000), Body: "B", Tag: "t"},
		"everything is long":  {Title: strings.Repeat("学校", 3000), Body: strings.Repeat("学校", 3000), URL: "https://e.example/" + strings.Repeat("u", 5000), Tag: "t"},
		"exactly as it fits":  {Title: "T", Body: strings.Repeat("b", maxPlain-len(`{"title":"T","body":"","tag":"t","event_id":"","category":""}`)), Tag: "t"},
		"nothing at all":      {},
		"one byte over":       {Title: "T", Body: strings.Repeat("b", maxPlain+1-len(`{"title":"T","body":"","tag":"t","event_id":"","category":""}`)), Tag: "t"},
		"one character is it": {Title: "T", Body: "🎒", URL: "https://e.example/" + strings.Repeat("u", maxPlain), Tag: "t"},
	} {
		text, err := p.fit(maxPlain)
		var got payload
		if err != nil || len(text) > maxPlain || !utf8.Valid(text) || json.Unmarshal(text, &got) != nil {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
			continue
		}
		if got.Tag != p.Tag || !utf8.ValidString(got.Body) || strings.Contains(got.Body, "\ufffd") {
			t.Errorf("%s: became %+v", name, got)
		}
		if len(p.Body) > maxPlain && len(p.URL) == 0 && len(p.Title) < 10 && len(text) < maxPlain-16 {
			t.Errorf("%s: cut to %d bytes, although %d fit", name, len(text), maxPlain)
		}
	}
	if _, err := (payload{Tag: strings.Repeat("t", maxPlain)}).fit(maxPlain); err == nil {
		t.Error("what cannot be cut fits")
	}
}

func payloadTopic(t *testing.T) {
	t.Parallel()
	if got := topic(eventID); got != "019a000000007000800000000000000A" {
		t.Errorf("topic %q", got)
	}
	seen := map[string]bool{}
	for _, id := range []string{"", "a", strings.Repeat("ä", 200), "019a0000-0000-7000-8000-00000000000G", "0123456789-0123456789-0123456789-0123456789"} {
		got := topic(id)
		if len(got) != maxTopic || strings.Trim(got, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != "" || seen[got] {
			t.Errorf("topic of %q is %q", id, got)
		}
		seen[got] = true
	}
}
