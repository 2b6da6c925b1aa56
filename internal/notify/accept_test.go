package notify_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// A request may be sent again when its times have passed: its answer was lost, or its sender slept.
func TestLateReplay(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 1)
	now := schoolbell.Time(time.Now())
	request := func() *schoolbell.Event {
		ev := &schoolbell.Event{Title: "Bus is late", Body: "By ten minutes.", ExpiresAt: now.Add(-time.Hour),
			Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}},
			Channels: []schoolbell.Channel{schoolbell.ChannelInApp}}
		ev.Normalize()
		return ev
	}
	idem := ledger.Idempotency{Key: "bus-7", Fingerprint: "f"}
	first := request() // accepted two hours ago
	first.ID, first.Status, first.CreatedAt = uuid.Must(uuid.NewV7()).String(), schoolbell.EventQueued, now.Add(-2*time.Hour)
	if _, _, err := s.ledger.Events.CreateEvent(t.Context(), first, nil, idem); err != nil {
		t.Fatal(err)
	}
	if got, replayed, err := s.pipeline.Create(t.Context(), request(), idem); err != nil || !replayed || got.ID != first.ID {
		t.Errorf("got %v, replayed %v, %v; want the first event", got, replayed, err)
	}
	for name, idem := range map[string]ledger.Idempotency{
		"without a key":                     {},
		"under a key that was not used":     {Key: "bus-8", Fingerprint: "f"},
		"under the key of another request":  {Key: "bus-7", Fingerprint: "g"},
		"without a key but the fingerprint": {Fingerprint: "f"},
	} {
		got, replayed, err := s.pipeline.Create(t.Context(), request(), idem)
		if schoolbell.CodeOf(err) != schoolbell.CodeInvalid || got != nil || replayed {
			t.Errorf("%s: got %v, replayed %v, %v; want its faults", name, got, replayed, err)
		}
	}
}
