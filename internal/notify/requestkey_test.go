package notify

import (
	"strings"
	"testing"
	"time"

	"schoolbell/bullmq"
	"schoolbell/internal/ledger"
)

// FuzzRequest has jobs with any name, id and data of other programs.
func FuzzRequest(f *testing.F) {
	f.Add("event", "trip-42", []byte(`{"title":"T"}`), int64(1))
	f.Add("event", "17", []byte(`{"event_id":"x"}`), int64(1_900_000_000_000))
	for _, id := range []string{"", "0", "007", "-1", "0:1", "a:b", "repeat:a:1", "99999999999999999999", "größe", "\xff", "a\x00", "wait", strings.Repeat("x", 256)} {
		f.Add("event", id, []byte(`[]`), int64(0))
	}
	for _, data := range []string{``, `null`, `{`, `{"event_id":null}`, `{"Event_id":1}`, `{"title":"a","title":"b"}`, `1`} {
		f.Add("other", "a", []byte(data), int64(-1))
	}
	f.Fuzz(func(t *testing.T, name, id string, data []byte, added int64) {
		job := &bullmq.Job{Name: name, Data: data}
		if _, err := eventJobDataOf(job); err == nil && asksForEvent(name, data) && strings.Contains(string(data), `"event_id"`) {
			t.Errorf("%q names an event and asks for one", data)
		}
		key, err := requestKey("q", id, time.UnixMilli(added))
		if err != nil {
			if !isFault(err) || len(reasonOf(err)) > 1000 {
				t.Errorf("%q: %v", id, err)
			}
			return
		}
		again, _ := requestKey("q", id, time.UnixMilli(added).Add(time.Hour))
		other, _ := requestKey("other", id, time.UnixMilli(added))
		switch {
		case key.Key == "" || len(key.Key) > 300:
			t.Errorf("%q has key %q", id, key.Key)
		case bullmq.ValidJobID(id) && (key != ledger.Idempotency{Scope: keysOfJobs, Key: id} || again != key || other != key):
			t.Errorf("chosen %q has keys %+v, %+v, %+v", id, key, again, other)
		case !bullmq.ValidJobID(id) && (again == key || other == key || key.Scope == keysOfJobs):
			t.Errorf("number %q has keys %+v, %+v, %+v", id, key, again, other)
		}
	})
}
