package bullmq_test

import (
	"context"
	"strings"
	"testing"

	"schoolbell/bullmq"
)

type letter struct {
	To    string `json:"to"`
	Pages int    `json:"pages"`
}

func TestTypedHandler(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		q := newQueue(t, s.rdb, bullmq.QueueOptions{})
		must[*bullmq.Job](t)(bullmq.AddTyped(ctx, q, "letter", letter{"Ann", 3}, bullmq.JobOptions{ID: "good"}))
		must[*bullmq.Job](t)(q.Add(ctx, "letter", "not a letter", bullmq.JobOptions{ID: "bad", Attempts: 5}))
		start(t, s.rdb, bullmq.HandlerFor(func(_ context.Context, j *bullmq.Job, l letter) (letter, error) {
			return letter{To: l.To + " of " + j.Name, Pages: l.Pages + 1}, nil
		}), bullmq.WorkerOptions{})
		if got := eventually(t, q, "good", bullmq.StateCompleted); string(got.ReturnValue) != `{"to":"Ann of letter","pages":4}` {
			t.Errorf("returned %s", got.ReturnValue)
		}
		bad := eventually(t, q, "bad", bullmq.StateFailed)
		if bad.AttemptsMade != 1 || !strings.HasPrefix(bad.FailedReason, "bullmq: payload of job bad: ") {
			t.Errorf("%d attempts, %q", bad.AttemptsMade, bad.FailedReason)
		}
	})
}
