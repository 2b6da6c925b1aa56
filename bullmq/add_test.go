package bullmq_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell/bullmq"
)

func at(ms int64) func() time.Time { return func() time.Time { return time.UnixMilli(ms) } }

func TestAdd(t *testing.T) {
	t.Parallel()
	t.Run("a job is stored as BullMQ stores it", testAddStoredAsBullMQ)
	t.Run("invalid options and data are refused", testAddInvalidRefused)
	t.Run("an existing id leaves its job unchanged", testAddExistingID)
	t.Run("a missing parent is refused", testAddMissingParent)
	t.Run("AddBulk keeps the order", testAddBulkOrder)
	t.Run("jobs due in the same millisecond keep their order", testAddDelayedOrder)
}

func testAddStoredAsBullMQ(t *testing.T) {
	limit := 3
	tests := []struct {
		name   string
		opts   bullmq.JobOptions
		hash   map[string]string
		key    string // where the id is found
		events []string
	}{
		{
			"a plain job waits", bullmq.JobOptions{},
			map[string]string{"opts": `{"attempts":0}`, "delay": "0", "priority": "0"},
			"bull:q:wait", []string{"added", "waiting"},
		},
		{
			"delay: absolute time in the event, duration in the hash",
			bullmq.JobOptions{Delay: 1500 * time.Millisecond},
			map[string]string{"opts": `{"attempts":0,"delay":1500}`, "delay": "1500", "priority": "0"},
			"bull:q:delayed", []string{"added", "delayed 1800000001500"},
		},
		{
			"a prioritized job is in the sorted set", bullmq.JobOptions{Priority: 7},
			map[string]string{"opts": `{"attempts":0,"priority":7}`, "delay": "0", "priority": "7"},
			"bull:q:prioritized", []string{"added", "waiting"},
		},
		{
			"all options are stored under BullMQ's names",
			bullmq.JobOptions{
				ID: "x", Attempts: 4, Backoff: &bullmq.Backoff{Type: "mine", Delay: 2 * time.Second, Jitter: 0.25}, LIFO: true,
				RemoveOnComplete: &bullmq.Keep{None: true}, RemoveOnFail: &bullmq.Keep{Count: 5, Age: 90 * time.Second, Limit: 9},
				KeepLogs: 2, StackTraceLimit: &limit, SizeLimit: 99, Timestamp: time.UnixMilli(1700000000001),
				Extra: map[string]json.RawMessage{"mine": json.RawMessage(`{"a":null}`)},
			},
			map[string]string{"opts": `{"attempts":4,"jobId":"x","lifo":true,"backoff":{"type":"mine","delay":2000,"jitter":0.25},` +
				`"removeOnComplete":true,"removeOnFail":{"age":90,"count":5,"limit":9},"kl":2,"stackTraceLimit":3,"sizeLimit":99,` +
				`"timestamp":1700000000001,"mine":{"a":null}}`, "timestamp": "1700000000001", "delay": "0", "priority": "0"},
			"bull:q:wait", []string{"added", "waiting"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onServers(t, func(t *testing.T, s *server) {
				ctx := context.Background()
				q := newQueue(t, s.rdb, bullmq.QueueOptions{Clock: at(1800000000000)})
				job := must[*bullmq.Job](t)(q.Add(ctx, "n", map[string]string{"u": "é<>&/"}, tt.opts))
				want := map[string]string{"name": "n", "data": `{"u":"é<>&/"}`, "timestamp": "1800000000000"}
				for k, v := range tt.hash {
					want[k] = v
				}
				got := must[map[string]string](t)(s.rdb.HGetAll(ctx, "bull:q:"+job.ID).Result())
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("hash (-want +got):\n%s", d)
				}
				if d := cmp.Diff(tt.events, eventNames(t, s, "delay")); d != "" {
					t.Errorf("events (-want +got):\n%s", d)
				}
				if !holds(t, s, tt.key, job.ID) {
					t.Errorf("%s does not hold job %s", tt.key, job.ID)
				}
				read := must[*bullmq.Job](t)(q.Job(ctx, job.ID))
				if read.Name != "n" || string(read.Data) != `{"u":"é<>&/"}` || read.Options.Attempts != tt.opts.Attempts {
					t.Errorf("read back: %+v", read)
				}
			})
		})
	}
}

// eventNames lists the events so far, each with the given fields' values.
func eventNames(t *testing.T, s *server, fields ...string) []string {
	t.Helper()
	entries, err := s.rdb.XRange(context.Background(), "bull:q:events", "-", "+").Result()
	ok(t, err)
	var names []string
	for _, e := range entries {
		name := e.Values["event"].(string)
		for _, f := range fields {
			if v, found := e.Values[f]; found {
				name += " " + v.(string)
			}
		}
		names = append(names, name)
	}
	return names
}

func holds(t *testing.T, s *server, key, id string) bool {
	t.Helper()
	ctx := context.Background()
	var ids []string
	if kind := s.rdb.Type(ctx, key).Val(); kind == "list" {
		ids = s.rdb.LRange(ctx, key, 0, -1).Val()
	} else {
		ids = s.rdb.ZRange(ctx, key, 0, -1).Val()
	}
	for _, have := range ids {
		if have == id {
			return true
		}
	}
	return false
}

func testAddInvalidRefused(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	q := newQueue(t, s.rdb, bullmq.QueueOptions{})
	negative := -1
	tests := []struct {
		name string
		data any
		opts bullmq.JobOptions
	}{
		{"an id that is an integer", nil, bullmq.JobOptions{ID: "12"}},
		{"an id that is a negative integer", nil, bullmq.JobOptions{ID: "-3"}},
		{"an id that is zero", nil, bullmq.JobOptions{ID: "0"}},
		{"an id that begins with 0 and a colon", nil, bullmq.JobOptions{ID: "0:a:b"}},
		{"an id with one colon", nil, bullmq.JobOptions{ID: "a:b"}},
		{"an id that is a key of the queue", nil, bullmq.JobOptions{ID: "wait"}},
		{"a negative delay", nil, bullmq.JobOptions{Delay: -1}},
		{"a priority that is too large", nil, bullmq.JobOptions{Priority: bullmq.MaxPriority + 1}},
		{"a negative priority", nil, bullmq.JobOptions{Priority: -1}},
		{"negative attempts", nil, bullmq.JobOptions{Attempts: -1}},
		{"a jitter above one", nil, bullmq.JobOptions{Backoff: &bullmq.Backoff{Jitter: 1.1}}},
		{"a parent without queue", nil, bullmq.JobOptions{Parent: &bullmq.ParentRef{ID: "p"}}},
		{"a negative stack trace limit", nil, bullmq.JobOptions{StackTraceLimit: &negative}},
		{"a negative number to keep", nil, bullmq.JobOptions{RemoveOnFail: &bullmq.Keep{Count: -1}}},
		{"an unknown failure mode", nil, bullmq.JobOptions{OnFailure: 9}},
		{"data that does not encode", func() {}, bullmq.JobOptions{}},
		{"raw data that is not JSON", json.RawMessage(`{"a":`), bullmq.JobOptions{}},
		{"data that are no number", math.NaN(), bullmq.JobOptions{}},
		{"data that are no text", json.RawMessage("\"a\xff\""), bullmq.JobOptions{}},
		{"data that hold what is no text", map[string]any{"a": json.RawMessage("\"a\xff\"")}, bullmq.JobOptions{}},
		{"an id that is no text", nil, bullmq.JobOptions{ID: notText}},
		{"an id that is a deduplication id's key", nil, bullmq.JobOptions{ID: "de:a:b"}},
		{"an id that is a metric's key", nil, bullmq.JobOptions{ID: "metrics:completed:data"}},
		{"an id that is a log's key", nil, bullmq.JobOptions{ID: "a:b:logs"}},
		{"a parent that is the job itself", nil, bullmq.JobOptions{ID: "x", Parent: &bullmq.ParentRef{ID: "x", Queue: "bull:q"}}},
		{"a parent that is a key of the queue", nil, bullmq.JobOptions{Parent: &bullmq.ParentRef{ID: "meta", Queue: "bull:q"}}},
		{"too many attempts", nil, bullmq.JobOptions{Attempts: math.MaxInt}},
		{"a jitter of nothing", nil, bullmq.JobOptions{Backoff: &bullmq.Backoff{Jitter: math.NaN()}}},
		{"a time too late", nil, bullmq.JobOptions{Timestamp: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}},
		{"an option twice", nil, bullmq.JobOptions{Extra: map[string]json.RawMessage{"attempts": json.RawMessage("3")}}},
		{"data over the size limit", "0123456789", bullmq.JobOptions{SizeLimit: 11}},
		{"an extra option that is not JSON", nil, bullmq.JobOptions{Extra: map[string]json.RawMessage{"a": json.RawMessage("x")}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := q.Add(context.Background(), "n", tt.data, tt.opts); !errors.Is(err, bullmq.ErrInvalid) {
				t.Errorf("got %v, want ErrInvalid", err)
			}
		})
	}
	if n := s.rdb.DBSize(context.Background()).Val(); n != 0 {
		t.Errorf("%d keys were written", n)
	}
	for _, id := range []string{"007", "1.5", "a:b:c", "ev.email.1"} {
		if _, err := q.Add(context.Background(), "n", nil, bullmq.JobOptions{ID: id}); err != nil {
			t.Errorf("id %q: %v", id, err)
		}
	}
}

func TestQueueNames(t *testing.T) {
	t.Parallel()
	rdb := client(t, "127.0.0.1:1")
	for _, name := range []string{"", "a:b"} {
		if _, err := bullmq.NewQueue(rdb, name, bullmq.QueueOptions{}); !errors.Is(err, bullmq.ErrInvalid) {
			t.Errorf("name %q: got %v, want ErrInvalid", name, err)
		}
	}
}

func testAddExistingID(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		must[*bullmq.Job](t)(q.Add(ctx, "first", 1, bullmq.JobOptions{ID: "x"}))
		again := must[*bullmq.Job](t)(q.Add(ctx, "second", 2, bullmq.JobOptions{ID: "x"}))
		if !again.Existed || again.ID != "x" {
			t.Errorf("got %+v, want Existed and id x", again)
		}
		if job := must[*bullmq.Job](t)(q.Job(ctx, "x")); job.Name != "first" || string(job.Data) != "1" {
			t.Errorf("the job has become %+v", job)
		}
		if n := must[map[bullmq.State]int64](t)(q.Counts(ctx))[bullmq.StateWaiting]; n != 1 {
			t.Errorf("%d jobs wait, want 1", n)
		}
		if d := cmp.Diff([]string{"added", "waiting", "duplicated"}, eventNames(t, s)); d != "" {
			t.Error(d)
		}
	})
}

func testAddMissingParent(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		_, err := q.Add(context.Background(), "n", nil, bullmq.JobOptions{Parent: &bullmq.ParentRef{ID: "p", Queue: "bull:q"}})
		var refused *bullmq.ScriptError
		if !errors.As(err, &refused) || refused.Code != bullmq.CodeParentNotFound {
			t.Errorf("got %v, want code %d", err, bullmq.CodeParentNotFound)
		}
		if n := s.rdb.DBSize(context.Background()).Val(); n != 0 {
			t.Errorf("%d keys were written", n)
		}
	})
}

func testAddBulkOrder(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{DefaultJobOptions: bullmq.JobOptions{Attempts: 3}})
		for range 2 {
			ok(t, s.rdb.ScriptFlush(ctx).Err())
			specs := make([]bullmq.JobSpec, 50)
			for i := range specs {
				specs[i] = bullmq.JobSpec{Name: fmt.Sprint(i), Data: i}
			}
			jobs := must[[]*bullmq.Job](t)(q.AddBulk(ctx, specs))
			for i, job := range jobs {
				if job.Name != fmt.Sprint(i) || job.Options.Attempts != 3 {
					t.Errorf("job %d is %+v", i, job)
				}
			}
		}
		waiting := must[[]*bullmq.Job](t)(q.Jobs(ctx, bullmq.JobsOptions{States: []bullmq.State{bullmq.StateWaiting}, OldestFirst: true}))
		var names []string
		for _, job := range waiting {
			names = append(names, job.Name)
		}
		if len(names) != 100 || strings.Join(names[:3], " ") != "0 1 2" || names[99] != "49" {
			t.Errorf("%d jobs wait in the order %v", len(names), names)
		}
	})
}

func testAddDelayedOrder(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{Clock: at(1800000000000)})
		for range 3 {
			must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{Delay: time.Second}))
		}
		got := s.rdb.ZRangeWithScores(ctx, "bull:q:delayed", 0, -1).Val()
		for i, z := range got {
			if z.Member != fmt.Sprint(i+1) || z.Score != float64(7372800004096000+i) {
				t.Errorf("place %d holds %v with score %.0f", i, z.Member, z.Score)
			}
		}
	})
}
