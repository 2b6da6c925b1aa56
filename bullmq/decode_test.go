package bullmq

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"schoolbell/bullmq/internal/wire"

	"github.com/redis/go-redis/v9"
)

func FuzzScheduler(f *testing.F) {
	f.Add("every", "60000", 1.8e12)
	f.Add("pattern", "H * * * *", -1e308)
	f.Add("endDate", "99999999999999999999", 1e300)
	f.Add("offset", "-9223372036854775808", 0.0)
	f.Add("data", "{", 0.0)
	f.Add("opts", `{"attempts":-1}`, 0.0)
	f.Fuzz(func(t *testing.T, field, value string, at float64) {
		s := decodeScheduler("s", at, map[string]string{"name": "n", field: value})
		if data, ok := s.Template.Data.(json.RawMessage); ok && !json.Valid(data) {
			t.Errorf("%s=%q has data %q", field, value, data)
		}
		if s.Schedule.Every < 0 || s.Schedule.Offset < 0 {
			t.Errorf("%s=%q is every %v with offset %v", field, value, s.Schedule.Every, s.Schedule.Offset)
		}
	})
}

func FuzzEvent(f *testing.F) {
	f.Add("1800000000000-0", "completed", "returnvalue", `{"a":1}`)
	f.Add("x-1", "progress", "data", `{`)
	f.Add("99999999999999999999-0", "delayed", "delay", "soon")
	f.Add("", "waiting", "prev", "wait")
	f.Fuzz(func(t *testing.T, id, name, field, value string) {
		e := decodeEvent(redis.XMessage{ID: id, Values: map[string]any{"event": name, field: value, "n": nil}})
		for _, raw := range []json.RawMessage{e.ReturnValue(), e.Progress()} {
			if raw != nil && !json.Valid(raw) {
				t.Errorf("%s %s=%q has %q", name, field, value, raw)
			}
		}
		_, _, _, _ = e.Time(), e.Due(), e.Prev(), e.FailedReason()
	})
}

func FuzzChildKey(f *testing.F) {
	q := &Queue{rdb: redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}), opts: QueueOptions{Clock: time.Now}}
	f.Cleanup(func() { _ = q.rdb.Close() })
	for _, key := range []string{"bull:q:1", "a:b:q:c", "::", "bull", "bull:q", "bull:q:", ":q:1", "\xff:\xff:\xff"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if child, err := q.childQueue(key); err == nil && child.keys.Job(key[len(child.keys.Prefix):]) != key {
			t.Errorf("%q is job %q of queue %q", key, key[len(child.keys.Prefix):], child.QualifiedName())
		}
	})
}

func FuzzServerTexts(f *testing.F) {
	f.Add("redis_version:7.2.4\r\nrole:slave\r\n# x\r\n:::\r\n")
	f.Add("id=3 addr=1.2.3.4:5 name=bull:cQ==:w:a age=-1 idle=99999999999999999999\nname=bull:cQ==")
	f.Add("redis_version:99999999999999999999.x\n")
	f.Fuzz(func(t *testing.T, text string) {
		if info, _ := parseServerInfo(text); info == nil {
			t.Error("nothing is known of the server")
		}
		workersIn(text, "bull:cQ==")
	})
}

func FuzzStackTrace(f *testing.F) {
	f.Add(`["a","b"]`, "c\xff", 1)
	f.Add(`[1,{}]`, "", 0)
	f.Add(`{`, "x", -3)
	f.Fuzz(func(t *testing.T, stored, reason string, limit int) {
		j := (&Queue{}).jobFromHash("1", map[string]string{"stacktrace": stored})
		j.Options.StackTraceLimit = &limit
		got := traceWith(j, textError(reason))
		if !json.Valid(got.json) || (limit > 0 && len(got.entries) > limit) {
			t.Errorf("%q and %q, of %d: %q", stored, reason, limit, got.json)
		}
	})
}

type textError string

func (e textError) Error() string { return string(e) }

// What was written is read back the same.
func FuzzOptionsRoundTrip(f *testing.F) {
	f.Add(uint64(1))
	f.Add(uint64(2))
	f.Add(uint64(3))
	f.Fuzz(func(t *testing.T, seed uint64) {
		o := someOptions(rand.New(rand.NewPCG(seed, 0)))
		if err := o.validate(); err != nil {
			t.Fatal(err)
		}
		text := encodeOptions(&o)
		read := decodeOptions(string(text))
		if again := encodeOptions(&read); string(again) != string(text) {
			t.Errorf("written as %s, then as %s", text, again)
		}
	})
}

// someOptions returns random valid options.
func someOptions(r *rand.Rand) JobOptions {
	ms := func() time.Duration { return time.Duration(r.Int64N(1<<41)) * time.Millisecond }
	n := r.IntN(50)
	o := JobOptions{
		ID: "é\n\"" + wire.FormatInt(r.Int64()), Delay: ms(), Priority: r.IntN(MaxPriority), Attempts: r.IntN(1 << 40), LIFO: r.IntN(2) == 0,
		OnFailure: FailureMode(r.IntN(5)), KeepLogs: r.IntN(9), SizeLimit: r.IntN(9), StackTraceLimit: &n, Timestamp: wire.FromMillis(r.Int64N(1 << 41)),
		Backoff:          &Backoff{Type: "mine", Delay: ms(), Jitter: r.Float64()},
		RemoveOnComplete: &Keep{Count: r.IntN(9), Age: time.Duration(r.IntN(1e6)) * time.Second, Limit: r.IntN(3)},
		RemoveOnFail:     &Keep{None: r.IntN(2) == 0, Count: r.IntN(3)},
		TraceContext:     `{"traceparent":"x"}`,
		Extra:            map[string]json.RawMessage{"mine": json.RawMessage(`{"a":null}`)},
	}
	if r.IntN(2) == 0 {
		o.Parent = &ParentRef{ID: "p", Queue: "bull:q"}
	} else {
		o.Deduplication = &Deduplication{ID: "d", TTL: ms(), Extend: r.IntN(2) == 0, Replace: r.IntN(2) == 0}
	}
	return o
}
