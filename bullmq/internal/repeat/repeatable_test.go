package repeat

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// Whatever is stored, the next run is after now and the options made are JSON.
func FuzzRepeatable(f *testing.F) {
	f.Add("test::::500", `{"id":7}`, `{"repeat":{"every":500,"key":"test::::500","count":1},"prevMillis":1795000000000}`)
	f.Add("test:::Europe/Berlin:30 2 * * *", `[]`, `{"repeat":{"cron":"30 2 * * *","tz":"Europe/Berlin","endDate":"2027-01-01T00:00:00Z","limit":3}}`)
	f.Add("a:b:c", `"x"`, `{"repeat":{"every":"9e15","offset":-5,"jobId":1e30},"prevMillis":9e15}`)
	f.Add("", ``, `{"repeat":[]}`)
	f.Fuzz(func(t *testing.T, key, data, options string) {
		if IsRepeatable(key) {
			ParseKey(key) // does not panic
		}
		r, err := DecodeRepeatable(options)
		if err != nil {
			return
		}
		now := time.UnixMilli(1_795_000_000_000)
		at, err := r.After(now, nil)
		if err != nil {
			return
		}
		if at <= now.UnixMilli() {
			t.Errorf("the next run is at %d", at)
		}
		for _, key := range r.Keys("n", key) {
			id := JobID("n", []byte(data), key, at)
			if !strings.HasPrefix(id, "repeat:") || !json.Valid([]byte(r.Encode(id, at, 0, now))) {
				t.Errorf("id %q, options %s", id, r.Encode(id, at, 0, now))
			}
		}
	})
}
