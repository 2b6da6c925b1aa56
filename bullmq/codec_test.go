package bullmq

import (
	"encoding/json"
	"testing"
	"time"

	"schoolbell/bullmq/internal/keys"
	"schoolbell/bullmq/internal/wire"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestDecodeOptions(t *testing.T) {
	t.Parallel()
	one := 1
	tests := []struct {
		name, text string
		want       JobOptions
	}{
		{"full", `{"attempts":3,"backoff":{"type":"fixed","delay":1000},"removeOnComplete":true,"removeOnFail":{"age":10,"count":3,"limit":5},"kl":4,"fpof":true,"stackTraceLimit":1,"sizeLimit":1000,"timestamp":1700000000001}`,
			JobOptions{Attempts: 3, Backoff: &Backoff{Type: "fixed", Delay: time.Second}, RemoveOnComplete: &Keep{None: true},
				RemoveOnFail: &Keep{Age: 10 * time.Second, Count: 3, Limit: 5, ageSet: true}, KeepLogs: 4, OnFailure: FailParent, StackTraceLimit: &one,
				SizeLimit: 1000, Timestamp: time.UnixMilli(1700000000001).UTC()}},
		{"long names, a bare backoff, numbers in quotes", `{"keepLogs":2,"ignoreDependencyOnFailure":true,"backoff":50,"attempts":"2"}`,
			JobOptions{KeepLogs: 2, OnFailure: IgnoreDependency, Backoff: &Backoff{Type: "fixed", Delay: 50 * time.Millisecond}, Attempts: 2}},
		{"nulls are nothing", `{"attempts":null,"removeOnComplete":null,"removeOnFail":null,"backoff":null,"stackTraceLimit":null}`, JobOptions{}},
		{"false keeps all, zero and quotes keep none", `{"removeOnComplete":false,"removeOnFail":0}`,
			JobOptions{RemoveOnComplete: &Keep{}, RemoveOnFail: &Keep{None: true}}},
		{"text for yes", `{"removeOnFail":"5"}`, JobOptions{RemoveOnFail: &Keep{None: true}}},
		{"a negative count keeps all", `{"removeOnFail":-1}`, JobOptions{RemoveOnFail: &Keep{}}},
		{"unknown keys stay", `{"zz":{"id":"d"}}`, JobOptions{Extra: map[string]json.RawMessage{"zz": json.RawMessage(`{"id":"d"}`)}}},
		{"limits that are none delete nothing", `{"removeOnComplete":{"age":"x","count":"y"},"removeOnFail":[]}`, JobOptions{RemoveOnComplete: &Keep{}}},
		{"damage is nothing", `{"attempts":`, JobOptions{}},
		{"another shape is nothing", `[1]`, JobOptions{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := decodeOptions(tt.text)
			if d := cmp.Diff(tt.want, got, cmp.AllowUnexported(Keep{}, JobOptions{}), cmpopts.EquateEmpty()); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestParseInt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"": 0, "x": 0, "12": 12, "-3": -3, "1.7e12": 1, "12ab": 12, "99999999999999999999": 0} {
		if got := wire.ParseInt(text); got != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
}

func FuzzDecodeOptions(f *testing.F) {
	f.Add(`{"attempts":3,"backoff":{"type":"x","delay":1e300},"removeOnFail":{"age":-5}}`)
	f.Add(`{"delay":1e400,"parent":{"id":1}}`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, text string) {
		o := decodeOptions(text)
		encoded := encodeOptions(&o)
		if !json.Valid(encoded) {
			t.Errorf("%q encodes to %q", text, encoded)
		}
	})
}

func FuzzJobFields(f *testing.F) {
	f.Add("opts", `{"attempts":1}`)
	f.Add("stacktrace", `[1,2]`)
	f.Add("timestamp", `1.7e12`)
	f.Fuzz(func(t *testing.T, field, value string) {
		q := &Queue{keys: keys.New("bull", "q")}
		j := q.jobFromList("1", []any{field, value, "odd"})
		for _, raw := range []json.RawMessage{j.Progress, j.ReturnValue} {
			if raw != nil && !json.Valid(raw) {
				t.Errorf("%s=%q gives %q", field, value, raw)
			}
		}
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	w := &Worker{}
	job := func(b *Backoff) *Job { return &Job{Options: JobOptions{Backoff: b}} }
	tests := []struct {
		name     string
		b        *Backoff
		n        int
		min, max time.Duration
	}{
		{"none is at once", nil, 1, 0, 0},
		{"fixed", &Backoff{Delay: 100 * time.Millisecond}, 3, 100 * time.Millisecond, 100 * time.Millisecond},
		{"exponential doubles", &Backoff{Type: "exponential", Delay: 100 * time.Millisecond}, 3, 400 * time.Millisecond, 400 * time.Millisecond},
		{"fixed with jitter", &Backoff{Delay: 100 * time.Millisecond, Jitter: 0.5}, 1, 50 * time.Millisecond, 100 * time.Millisecond},
		{"a huge exponent is capped", &Backoff{Type: "exponential", Delay: time.Hour}, 500, maxBackoff, maxBackoff},
	}
	for _, tt := range tests {
		got, err := w.backoff(tt.n, job(tt.b), nil)
		if err != nil || got < tt.min || got > tt.max {
			t.Errorf("%s: %v, %v", tt.name, got, err)
		}
	}
}
