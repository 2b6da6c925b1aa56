// Command soaker is a producer or a worker of the soak as a program of its own, to be
// killed, stopped and frozen:
//
//	soaker -redis HOST:PORT -name NAME add|work
//
// It prints a line for each thing that the soak holds it to afterwards, at once and
// before it goes on. SIGTERM ends it in good order.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"schoolbell/bullmq"
)

func main() {
	addr := flag.String("redis", "127.0.0.1:6379", "address of Redis")
	name := flag.String("name", "soaker", "name of the worker, or first part of the ids of the producer")
	flag.Parse()
	if err := run(*addr, *name, flag.Arg(0)); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

const impatience = 300 * time.Millisecond

func run(addr, name, role string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	fmt.Println("begins")
	// Impatient, so that a frozen Redis is taken for an unavailable one, and does later what was given up.
	rdb := redis.NewClient(&redis.Options{Addr: addr, ClientName: name, DialTimeout: impatience, ReadTimeout: impatience})
	var err error
	switch role {
	case "add":
		err = add(ctx, rdb, name)
	case "work":
		err = work(ctx, rdb, name)
	default:
		err = fmt.Errorf("role %q: add or work", role)
	}
	stop()
	return errors.Join(err, rdb.Close(), leaks())
}

// leaks waits until nothing runs any more; clients that were just closed may take a moment.
func leaks() (err error) {
	for range 20 {
		if err = goleak.Find(); err == nil {
			break
		}
	}
	return err
}

// surely repeats a call until Redis has answered it, or ctx ends. Calls are such that
// doing them twice does no harm.
func surely(ctx context.Context, call func() error) (repeated bool, err error) {
	for {
		if err = call(); answered(err) {
			return repeated, err
		}
		repeated = true
		select {
		case <-ctx.Done():
			return repeated, context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// answered tells an answer from the queue from a call of which nobody knows what became.
func answered(err error) bool {
	var refused *bullmq.ScriptError
	return err == nil || errors.Is(err, bullmq.ErrInvalid) || errors.Is(err, bullmq.ErrJobLocked) || errors.As(err, &refused)
}
