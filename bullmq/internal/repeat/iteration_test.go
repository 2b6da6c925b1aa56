package repeat

import (
	"encoding/json"
	"testing"
	"time"

	"schoolbell/bullmq/internal/wire"
)

func FuzzIteration(f *testing.F) {
	f.Add(`{"repeat":{"pattern":"*/5 * * * *","tz":"Europe/Berlin","limit":5,"count":1,"endDate":"2030-01-01T00:00:00Z"},"prevMillis":1800000000000,"attempts":3}`)
	f.Add(`{"repeat":{"every":60000,"offset":7,"startDate":1e300,"count":"2","key":{}}}`)
	f.Add(`{"repeat":{"pattern":"H H 31 2 *"}}`)
	f.Add(`{"repeat":[],"jobId":7}`)
	f.Add(`null`)
	now := time.UnixMilli(1_795_000_000_000)
	f.Fuzz(func(t *testing.T, options string) {
		it, err := Decode(options)
		if err != nil {
			return
		}
		at, err := it.Next(now, nil)
		if err == nil && at != 0 && at <= wire.Millis(now) {
			t.Errorf("%q runs next at %d", options, at)
		}
		if head := it.Head("s", now) + "}"; !json.Valid([]byte(head)) {
			t.Errorf("%q goes on as %q", options, head)
		}
	})
}
