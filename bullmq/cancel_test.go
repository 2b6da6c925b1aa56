package bullmq_test

import (
	"context"
	"errors"
	"testing"

	"schoolbell/bullmq"
)

func TestCancel(t *testing.T) {
	misfit := errors.New("no longer wanted")
	tests := []struct {
		name   string
		cause  error
		handle func(ctx context.Context) (any, error)
		state  bullmq.State
		reason string
		tries  int
	}{
		{"an empty error gets the reason, and the job is retried", misfit,
			func(ctx context.Context) (any, error) { return nil, ctx.Err() }, bullmq.StateFailed, "bullmq: job was cancelled: no longer wanted", 2},
		{"an unrecoverable reason fails it for good", bullmq.Unrecoverable(misfit),
			func(ctx context.Context) (any, error) { return nil, ctx.Err() }, bullmq.StateFailed, "bullmq: job was cancelled: no longer wanted", 1},
		{"no reason is one too", nil,
			func(ctx context.Context) (any, error) { return nil, context.Cause(ctx) }, bullmq.StateFailed, "bullmq: job was cancelled", 2},
		{"an error of its own stays", misfit,
			func(context.Context) (any, error) { return nil, errors.New("half done") }, bullmq.StateFailed, "half done", 2},
		{"a reason that means something else elsewhere does not here", bullmq.ErrShutdown,
			func(ctx context.Context) (any, error) { return nil, ctx.Err() }, bullmq.StateFailed, "bullmq: job was cancelled: bullmq: worker is shutting down", 2},
		{"a result completes it", misfit,
			func(context.Context) (any, error) { return "in time", nil }, bullmq.StateCompleted, "", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onServers(t, func(t *testing.T, s *server) {
				ctx := context.Background()
				q := newQueue(t, s.rdb, bullmq.QueueOptions{})
				running := make(chan string)
				handler := func(ctx context.Context, j *bullmq.Job) (any, error) {
					running <- j.ID
					<-ctx.Done()
					if cause := context.Cause(ctx); !errors.Is(cause, bullmq.ErrCancelled) || (tt.cause != nil && !errors.Is(cause, tt.cause)) {
						t.Errorf("the cause is %v", cause)
					}
					return tt.handle(ctx)
				}
				w := must[*bullmq.Worker](t)(bullmq.NewWorker(s.rdb, "q", handler, bullmq.WorkerOptions{}))
				stop, done := context.WithCancel(ctx)
				ended := make(chan error, 1)
				go func() { ended <- w.Run(stop) }()
				defer func() {
					done()
					ok(t, <-ended)
				}()
				must[*bullmq.Job](t)(q.Add(ctx, "n", nil, bullmq.JobOptions{ID: "x", Attempts: 2}))
				for try := range tt.tries {
					id := <-running
					if w.Cancel("another", tt.cause) {
						t.Error("cancelled a job that it does not run")
					}
					if try == 0 && !w.Cancel(id, tt.cause) {
						t.Error("did not cancel the job that it runs")
					}
					if try > 0 && w.CancelAll(tt.cause) != 1 {
						t.Error("did not cancel all that it runs")
					}
				}
				if got := eventually(t, q, "x", tt.state); got.FailedReason != tt.reason && tt.state == bullmq.StateFailed {
					t.Errorf("failed with %q", got.FailedReason)
				} else if got.AttemptsMade != tt.tries {
					t.Errorf("%d attempts, want %d", got.AttemptsMade, tt.tries)
				}
				if w.Cancel("x", nil) {
					t.Error("cancelled a job that has ended")
				}
			})
		})
	}
}
