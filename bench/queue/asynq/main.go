// Command asynq is hibiken/asynq as the benchmark measures it. Its argument is the
// address of a Redis.
package main

import (
	"context"
	"encoding/json"
	"os"

	"github.com/hibiken/asynq"

	"schoolbell/bench/queue/subject"
)

func main() {
	opt := asynq.RedisClientOpt{Addr: os.Args[1]}
	subject.Serve(&library{opt, asynq.NewClient(opt)})
}

type library struct {
	opt    asynq.RedisClientOpt
	client *asynq.Client
}

func (l *library) Add(n int) {
	payload, err := json.Marshal(subject.PayloadOf(n))
	subject.Fail(err)
	_, err = l.client.Enqueue(asynq.NewTask("job", payload))
	subject.Fail(err)
}

// Bulk reports that asynq has no such call.
func (l *library) Bulk(int, int) bool { return false }

func (l *library) Work(concurrency int, started func(int), done func()) (stop func()) {
	server := asynq.NewServer(l.opt, asynq.Config{Concurrency: concurrency, LogLevel: asynq.FatalLevel})
	handle := func(context.Context, *asynq.Task) error {
		started(0)
		done() // asynq does not tell when the outcome is stored
		return nil
	}
	subject.Fail(server.Start(asynq.HandlerFunc(handle)))
	return server.Shutdown
}
