package bullmq_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell/bullmq"
	"schoolbell/bullmq/testproc"
)

// eventsOf lists a queue's events as "name job other", the oldest first.
func eventsOf(t *testing.T, s *server, field string) []string {
	t.Helper()
	entries, err := s.rdb.XRange(context.Background(), "bull:q:events", "-", "+").Result()
	ok(t, err)
	var told []string
	for _, e := range entries {
		text := fmt.Sprint(e.Values["event"], " ", e.Values["jobId"])
		if v, has := e.Values[field]; has {
			text += fmt.Sprint(" ", v)
		}
		told = append(told, text)
	}
	return told
}

func TestDeduplication(t *testing.T) {
	t.Parallel()
	t.Run("a pending holder is kept, replaced or rescheduled", testDeduplicationPendingHolder)
	t.Run("a rescheduled holder runs at its new time", testDeduplicationRescheduled)
	t.Run("an id without TTL is freed when its holder ends", testDeduplicationHolderEnds)
	t.Run("the last job dropped during a run follows it", testDeduplicationLastDropped)
	t.Run("a holder that no longer exists is replaced", testDeduplicationStaleHolder)
	t.Run("an id is freed by hand", testDeduplicationFreedByHand)
	t.Run("AddBulk deduplicates too", testDeduplicationAddBulk)
	t.Run("the option is read under all its names", testDeduplicationOptionNames)
	t.Run("invalid settings are refused", testDeduplicationInvalid)
}

func testDeduplicationPendingHolder(t *testing.T) {
	t.Parallel()
	type D = bullmq.Deduplication
	minute := time.Minute
	for _, tt := range []struct {
		name    string
		mode    D
		first   bullmq.JobOptions
		second  bullmq.JobOptions
		want    string // the id that the second add returns
		existed bool
		events  []string
		lasts   time.Duration // the most that the id is still held, 0 for no time limit
	}{
		{name: "a job is dropped while another holds its id", want: "1", existed: true,
			events: []string{"added 1", "waiting 1", "deduplicated 1 2"}},
		{name: "an id with a time to live keeps it", mode: D{TTL: minute}, want: "1", existed: true, lasts: minute,
			events: []string{"added 1", "waiting 1", "deduplicated 1 2"}},
		{name: "a dropped job can restart the time to live", mode: D{TTL: minute, Extend: true}, want: "1", existed: true, lasts: minute,
			events: []string{"added 1", "waiting 1", "deduplicated 1 2"}},
		{name: "a delayed holder is replaced", mode: D{Replace: true}, want: "2",
			first: bullmq.JobOptions{Delay: time.Hour}, second: bullmq.JobOptions{Priority: 3},
			events: []string{"added 1", "delayed 1", "removed 1", "deduplicated 2 1", "added 2", "waiting 2"}},
		{name: "a replaced holder passes its time to live on", mode: D{Replace: true, TTL: minute}, want: "2", lasts: minute,
			first: bullmq.JobOptions{Delay: time.Hour}, second: bullmq.JobOptions{Delay: time.Hour},
			events: []string{"added 1", "delayed 1", "removed 1", "deduplicated 2 1", "added 2", "delayed 2"}},
		{name: "a waiting holder is not replaced, and no event reports it", mode: D{Replace: true}, want: "1", existed: true,
			events: []string{"added 1", "waiting 1"}},
		{name: "a delayed holder is rescheduled", mode: D{Reschedule: true}, want: "1", existed: true,
			first: bullmq.JobOptions{Delay: time.Hour}, second: bullmq.JobOptions{Delay: 2 * time.Hour},
			events: []string{"added 1", "delayed 1", "deduplicated 1 2", "delayed 1"}},
		{name: "a waiting holder is not rescheduled", mode: D{Reschedule: true}, want: "1", existed: true,
			second: bullmq.JobOptions{Delay: 2 * time.Hour},
			events: []string{"added 1", "waiting 1", "deduplicated 1 2"}},
		{name: "nothing is kept back while the holder is not being run", mode: D{KeepLastIfActive: true}, want: "1", existed: true,
			events: []string{"added 1", "waiting 1", "deduplicated 1 2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			onServers(t, func(t *testing.T, s *server) {
				ctx := context.Background()
				q := newQueue(t, s.rdb, bullmq.QueueOptions{})
				mode := tt.mode
				mode.ID = "D"
				add := func(name string, o bullmq.JobOptions) *bullmq.Job {
					o.Deduplication = &mode
					return must[*bullmq.Job](t)(q.Add(ctx, name, nil, o))
				}
				if first := add("first", tt.first); first.ID != "1" || first.Existed || first.DeduplicationID != "D" {
					t.Errorf("the first job is %+v", first)
				}
				second := add("second", tt.second)
				if second.ID != tt.want || second.Existed != tt.existed || second.DeduplicationID != "D" {
					t.Errorf("the second add returned %q, existed %v", second.ID, second.Existed)
				}
				if diff := cmp.Diff(tt.events, eventsOf(t, s, "deduplicatedJobId")); diff != "" {
					t.Errorf("events: %s", diff)
				}
				if holder := must[string](t)(q.DeduplicationJobID(ctx, "D")); holder != tt.want {
					t.Errorf("%q holds the id", holder)
				}
				if left := s.rdb.PTTL(ctx, "bull:q:de:D").Val(); (tt.lasts == 0) != (left < 0) || left > tt.lasts {
					t.Errorf("the id is held for %v more", left)
				}
			})
		})
	}
}

func testDeduplicationRescheduled(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	ctx := context.Background()
	now := time.UnixMilli(1_795_000_000_000)
	q := newQueue(t, s.rdb, bullmq.QueueOptions{Clock: func() time.Time { return now }})
	for _, delay := range []time.Duration{time.Hour, 90 * time.Minute} {
		must[*bullmq.Job](t)(q.Add(ctx, "job", nil, bullmq.JobOptions{
			Delay: delay, Deduplication: &bullmq.Deduplication{ID: "D", Reschedule: true},
		}))
		now = now.Add(time.Minute)
	}
	due := int64(s.rdb.ZScore(ctx, "bull:q:delayed", "1").Val()) / 4096
	if want := now.Add(-time.Minute + 90*time.Minute).UnixMilli(); due != want {
		t.Errorf("it is due at %d, not %d", due, want)
	}
	if job := must[*bullmq.Job](t)(q.Job(ctx, "1")); job.Delay != 90*time.Minute {
		t.Errorf("its delay is %v", job.Delay)
	}
}

func testDeduplicationHolderEnds(t *testing.T) {
	t.Parallel()
	ends := map[string]func(q *bullmq.Queue, id string) error{
		"removed": func(q *bullmq.Queue, id string) error {
			return q.Remove(context.Background(), id, bullmq.RemoveOptions{})
		},
		"drained": func(q *bullmq.Queue, _ string) error {
			return q.Drain(context.Background(), bullmq.DrainOptions{Delayed: true})
		},
		"cleaned": func(q *bullmq.Queue, _ string) error {
			_, err := q.Clean(context.Background(), bullmq.StateWaiting, 0, 0)
			return err
		},
		"obliterated": func(q *bullmq.Queue, _ string) error {
			return q.Obliterate(context.Background(), bullmq.ObliterateOptions{})
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onServers(t, func(t *testing.T, s *server) {
				ctx := context.Background()
				q := newQueue(t, s.rdb, bullmq.QueueOptions{})
				job := must[*bullmq.Job](t)(q.Add(ctx, "job", nil, bullmq.JobOptions{Deduplication: &bullmq.Deduplication{ID: "D", TTL: time.Hour}}))
				ok(t, end(q, job.ID))
				if holder := must[string](t)(q.DeduplicationJobID(ctx, "D")); holder != "" {
					t.Errorf("%q still holds the id", holder)
				}
			})
		})
	}
	for _, outcome := range []error{nil, errors.New("no")} {
		t.Run(fmt.Sprintf("ended with %v", outcome), func(t *testing.T) {
			t.Parallel()
			onServers(t, func(t *testing.T, s *server) {
				ctx := context.Background()
				q := newQueue(t, s.rdb, bullmq.QueueOptions{})
				simple := must[*bullmq.Job](t)(q.Add(ctx, "job", nil, bullmq.JobOptions{Deduplication: &bullmq.Deduplication{ID: "simple"}}))
				timed := must[*bullmq.Job](t)(q.Add(ctx, "job", nil, bullmq.JobOptions{Deduplication: &bullmq.Deduplication{ID: "timed", TTL: time.Hour}}))
				start(t, s.rdb, func(context.Context, *bullmq.Job) (any, error) { return nil, outcome }, bullmq.WorkerOptions{})
				want := bullmq.StateCompleted
				if outcome != nil {
					want = bullmq.StateFailed
				}
				testproc.Eventually(t, wait, func() bool {
					a, _ := q.State(ctx, simple.ID)
					b, _ := q.State(ctx, timed.ID)
					return a == want && b == want
				}, "both jobs have ended")
				if holder := must[string](t)(q.DeduplicationJobID(ctx, "simple")); holder != "" {
					t.Errorf("%q still holds the id without a time to live", holder)
				}
				if holder := must[string](t)(q.DeduplicationJobID(ctx, "timed")); holder != timed.ID {
					t.Errorf("the id with a time to live is held by %q", holder)
				}
			})
		})
	}
}

func testDeduplicationLastDropped(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		opts := bullmq.JobOptions{Deduplication: &bullmq.Deduplication{ID: "D", KeepLastIfActive: true, TTL: time.Minute}}
		must[*bullmq.Job](t)(q.Add(ctx, "save", 0, opts))
		ran := make(chan string, 10)
		stop := start(t, s.rdb, func(ctx context.Context, j *bullmq.Job) (any, error) {
			if string(j.Data) == "0" {
				for i := 1; i <= 3; i++ {
					if dropped, err := q.Add(ctx, "save", i, opts); err != nil || dropped.ID != j.ID {
						return nil, fmt.Errorf("add during the run: %v, %v", dropped, err)
					}
				}
			}
			ran <- string(j.Data)
			return nil, nil
		}, bullmq.WorkerOptions{})
		testproc.Eventually(t, wait, func() bool {
			counts, _ := q.Counts(ctx, bullmq.StateCompleted, bullmq.StateActive)
			return counts[bullmq.StateCompleted] == 2 && counts[bullmq.StateActive] == 0
		}, "the last one has run too")
		stop()
		close(ran)
		var got []string
		for data := range ran {
			got = append(got, data)
		}
		if diff := cmp.Diff([]string{"0", "3"}, got); diff != "" {
			t.Errorf("what ran: %s", diff)
		}
		if n := s.rdb.Exists(ctx, "bull:q:de:D", "bull:q:dn:D").Val(); n != 0 {
			t.Errorf("%d keys are left", n)
		}
	})
}

func testDeduplicationStaleHolder(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		ok(t, s.rdb.Set(ctx, "bull:q:de:D", "gone", 0).Err())
		job := must[*bullmq.Job](t)(q.Add(ctx, "job", nil, bullmq.JobOptions{Deduplication: &bullmq.Deduplication{ID: "D"}}))
		if job.Existed || must[string](t)(q.DeduplicationJobID(ctx, "D")) != job.ID {
			t.Errorf("the id is still the lost job's: %+v", job)
		}
	})
}

func testDeduplicationFreedByHand(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		opts := bullmq.JobOptions{Deduplication: &bullmq.Deduplication{ID: "D"}}
		first := must[*bullmq.Job](t)(q.Add(ctx, "job", nil, opts))
		if !must[bool](t)(first.RemoveDeduplicationKey(ctx)) {
			t.Error("the holder could not free its id")
		}
		second := must[*bullmq.Job](t)(q.Add(ctx, "job", nil, opts))
		if second.Existed {
			t.Error("the id was not free")
		}
		if must[bool](t)(first.RemoveDeduplicationKey(ctx)) {
			t.Error("a job freed an id that it does not hold")
		}
		if !must[bool](t)(q.RemoveDeduplicationKey(ctx, "D")) || must[bool](t)(q.RemoveDeduplicationKey(ctx, "D")) {
			t.Error("the queue frees an id once")
		}
	})
}

func testDeduplicationAddBulk(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, s *server) {
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		opts := bullmq.JobOptions{Deduplication: &bullmq.Deduplication{ID: "D"}}
		jobs := must[[]*bullmq.Job](t)(q.AddBulk(context.Background(), []bullmq.JobSpec{
			{Name: "plain"}, {Name: "a", Options: opts}, {Name: "b", Options: opts}, {Name: "plain"},
		}))
		if jobs[1].Existed || !jobs[2].Existed || jobs[1].ID != jobs[2].ID || jobs[3].Existed {
			t.Errorf("jobs %v", jobs)
		}
	})
}

func testDeduplicationOptionNames(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	ctx := context.Background()
	q := newQueue(t, s.rdb, bullmq.QueueOptions{})
	for name, opts := range map[string]string{
		"short": `{"de":{"id":"D","ttl":5000,"extend":true}}`, "long": `{"deduplication":{"id":"D","ttl":5000,"extend":true}}`,
		"old": `{"debounce":{"id":"D","ttl":5000,"extend":true}}`,
	} {
		ok(t, s.rdb.HSet(ctx, "bull:q:"+name, "name", "n", "opts", opts, "deid", "D").Err())
		job := must[*bullmq.Job](t)(q.Job(ctx, name))
		want := &bullmq.Deduplication{ID: "D", TTL: 5 * time.Second, Extend: true}
		if diff := cmp.Diff(want, job.Options.Deduplication); diff != "" || job.DeduplicationID != "D" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func testDeduplicationInvalid(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	q := newQueue(t, s.rdb, bullmq.QueueOptions{})
	parent := &bullmq.ParentRef{ID: "p", Queue: "bull:q"}
	for name, o := range map[string]bullmq.JobOptions{
		"no id":                    {Deduplication: &bullmq.Deduplication{}},
		"half a millisecond":       {Deduplication: &bullmq.Deduplication{ID: "D", TTL: time.Microsecond}},
		"negative":                 {Deduplication: &bullmq.Deduplication{ID: "D", TTL: -time.Second}},
		"replaced and rescheduled": {Deduplication: &bullmq.Deduplication{ID: "D", Replace: true, Reschedule: true}},
		"of a child":               {Deduplication: &bullmq.Deduplication{ID: "D"}, Parent: parent},
	} {
		if _, err := q.Add(context.Background(), "job", nil, o); !errors.Is(err, bullmq.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := s.rdb.DBSize(context.Background()).Val(); n != 0 {
		t.Errorf("%d keys were written", n)
	}
}
