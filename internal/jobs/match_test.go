package jobs_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
	"schoolbell/internal/jobs"
	"schoolbell/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{Addr: testenv.Redis(t)})
	t.Cleanup(func() { must(t, rdb.Close()) })
	q, err := bullmq.NewQueue(rdb, "letters", bullmq.QueueOptions{})
	must(t, err)
	var specs []bullmq.JobSpec
	for i := range jobs.MostLooked + 1 {
		specs = append(specs, bullmq.JobSpec{Name: "print", Data: map[string]int{"n": i}, Options: bullmq.JobOptions{ID: "letter-" + strconv.Itoa(i)}})
	}
	_, err = q.AddBulk(t.Context(), specs)
	must(t, err)
	for text, want := range map[string]int{"": jobs.MostLooked, "PRINT": jobs.MostLooked, "letter-1000": 1, `"N":77}`: 1, "letter-0": 0 /* older than those that are looked through */, "glue": 0} {
		found, err := jobs.Match(t.Context(), q, bullmq.StateWaiting, text)
		must(t, err)
		if len(found.Jobs) != want || found.Looked != jobs.MostLooked {
			t.Errorf("%q: %d of %d, want %d", text, len(found.Jobs), found.Looked, want)
		}
	}
	t.Run("what has changed meanwhile is left out", func(t *testing.T) {
		found, err := jobs.Match(t.Context(), q, bullmq.StateWaiting, "letter-99")
		must(t, err)
		must(t, q.Remove(t.Context(), "letter-990", bullmq.RemoveOptions{}))
		done, err := jobs.Each(t.Context(), found.Jobs, jobs.Remove)
		if done != len(found.Jobs)-1 || err != nil {
			t.Errorf("%d of %d: %v", done, len(found.Jobs), err)
		}
		if done, err := jobs.Each(t.Context(), found.Jobs, jobs.Retry); done != 0 || err != nil {
			t.Errorf("%d jobs that are gone were retried: %v", done, err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := jobs.Each(ended, found.Jobs, jobs.Remove); err == nil {
			t.Error("no error of Redis")
		}
	})
}
