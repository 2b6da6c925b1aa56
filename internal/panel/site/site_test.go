package site

import (
	"testing"
	"time"

	"schoolbell"
)

func TestTimes(t *testing.T) {
	s := New(Config{Settings: func() schoolbell.SchoolSettings { return schoolbell.SchoolSettings{Timezone: "Europe/London"} }})
	now := time.Date(2026, 11, 24, 7, 12, 0, 0, time.UTC) // a Tuesday
	s.Now = func() time.Time { return now }
	for text, at := range map[string]time.Time{"–": {}, "07:11": now.Add(-time.Minute), "Mon 14:32": time.Date(2026, 11, 23, 14, 32, 0, 0, time.UTC), "Tomorrow 07:30": time.Date(2026, 11, 25, 7, 30, 0, 0, time.UTC),
		"Fri 16:00": time.Date(2026, 11, 27, 16, 0, 0, 0, time.UTC), "Sun 20 Dec": time.Date(2026, 12, 20, 10, 0, 0, 0, time.UTC), "1 Jul 2025": time.Date(2025, 6, 30, 23, 30, 0, 0, time.UTC)} {
		if got := s.When(at).Text; got != text {
			t.Errorf("%v is %q, want %q", at, got, text)
		}
	}
}

func TestTopics(t *testing.T) {
	names := map[string]bool{}
	for _, groups := range [][]string{nil, {"7a"}, {"7b"}, {"7a", "7b"}} {
		names[topicOf(&Call{Account: schoolbell.StaffAccount{Groups: groups}}, "overview")] = true
	}
	if len(names) != 4 {
		t.Errorf("accounts with different groups follow the same topic: %v", names)
	}
}

func TestSentence(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "", "works": "Works.", "it does not answer!": "It does not answer!", "no. It waits": "No. It waits.",
		"hill.example has no record": "hill.example has no record.", "v=spf1 -all": "v=spf1 -all.", "éclair": "Éclair."} {
		if got := Sentence(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
