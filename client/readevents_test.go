package client

import (
	"strings"
	"testing"
	"time"
)

// However a server's stream is made, reading it ends, without a panic and with events
// of bounded size.
func FuzzReadEvents(f *testing.F) {
	for _, seed := range []string{
		"id: 1\nevent: item\ndata: {}\n\n", "data: a\ndata: b\n\n", "retry: 99999999999999999999\n\n", "retry:-1\ndata:x\n\n",
		":comment\n\ndata\n\n", "data:\n\ndata: \r\n\r\n", "\xff\x00:\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, stream string) {
		lastID, wait := "", reconnect
		more, err := readEvents(strings.NewReader(stream), &lastID, &wait, func(ev streamEvent) bool {
			if ev.data == "" || len(ev.data) > maxEventData || strings.Contains(ev.id+ev.name, "\n") {
				t.Errorf("event %+v", ev)
			}
			return true
		})
		if !more || err != nil && len(stream) < maxEventLine {
			t.Errorf("more %v, error %v", more, err)
		}
		if wait < 0 || wait > max(reconnect, maxReconnect) {
			t.Errorf("wait %v", wait)
		}
	})
}

func TestReadEventsLimit(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{"long lines": "data: " + strings.Repeat("x", 1000) + "\n", "empty lines": "data:\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lastID, wait := "", time.Duration(0)
			_, err := readEvents(strings.NewReader(strings.Repeat(line, 6<<20/len(line)*6)), &lastID, &wait, func(streamEvent) bool { return true })
			if err == nil || !strings.Contains(err.Error(), "more than") {
				t.Errorf("read with %v", err)
			}
		})
	}
}
