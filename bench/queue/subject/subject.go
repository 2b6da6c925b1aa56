// Package subject is the part that the measured Go programs share: they are told
// on standard input what to do, one line a task, and answer each with one line of
// JSON on standard output.
//
//	add N K      add N jobs, K callers at a time
//	bulk N SIZE  add N jobs, SIZE in one call
//	work N K     run the N jobs that are there, K at a time, doing nothing
//	idle N       add N jobs one after the other to an idle worker
package subject

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"
)

// Payload is what each job carries.
type Payload struct {
	N    int    `json:"n"`
	Text string `json:"text"`
}

// PayloadOf is the payload of the nth job.
func PayloadOf(n int) Payload { return Payload{N: n, Text: "a small payload, as jobs have them"} }

// Library is a queue library under measurement.
type Library interface {
	Add(n int)
	// Bulk adds jobs in one call; it reports false if the library cannot.
	Bulk(from, to int) bool
	// Work runs jobs until stop is called, which waits for the worker's end. done
	// is called for each job once its outcome is stored, or as near to that as the
	// library tells; started when a handler begins.
	Work(concurrency int, started func(n int), done func()) (stop func())
}

type answer struct {
	Seconds float64   `json:"seconds"`
	Micros  []float64 `json:"micros,omitempty"` // of single jobs
	None    bool      `json:"none,omitempty"`   // the library has no such call
}

// Serve does what standard input says until it ends.
func Serve(lib Library) {
	in, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	fmt.Println(`{"ready":true}`)
	for in.Scan() {
		var task string
		var n, k int
		if _, err := fmt.Sscan(in.Text()+" 0", &task, &n, &k); err != nil {
			Fail(err)
		}
		if err := out.Encode(do(lib, task, n, k)); err != nil {
			Fail(err)
		}
	}
}

// Fail ends the program.
func Fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func do(lib Library, task string, n, k int) answer {
	start := time.Now()
	switch task {
	case "add":
		var callers sync.WaitGroup
		for c := range k {
			callers.Go(func() {
				for i := c; i < n; i += k {
					lib.Add(i)
				}
			})
		}
		callers.Wait()
	case "bulk":
		for i := 0; i < n; i += k {
			if !lib.Bulk(i, min(i+k, n)) {
				return answer{None: true}
			}
		}
	case "work":
		return work(lib, n, k)
	case "idle":
		return idle(lib, n)
	default:
		Fail(fmt.Errorf("unknown task %q", task))
	}
	return answer{Seconds: time.Since(start).Seconds()}
}

func work(lib Library, n, k int) answer {
	done := make(chan struct{}, n)
	start := time.Now()
	stop := lib.Work(k, func(int) {}, func() { done <- struct{}{} })
	for range n {
		<-done
	}
	took := time.Since(start)
	stop()
	return answer{Seconds: took.Seconds()}
}

// settle is how long a worker is left alone so that it comes to rest.
const settle = 30 * time.Millisecond

func idle(lib Library, n int) answer {
	started, done := make(chan time.Time, 1), make(chan struct{}, 1)
	stop := lib.Work(1, func(int) { started <- time.Now() }, func() { done <- struct{}{} })
	defer stop()
	var a answer
	for i := range n {
		time.Sleep(settle)
		begin := time.Now()
		lib.Add(i)
		took := (<-started).Sub(begin)
		<-done
		a.Micros = append(a.Micros, float64(took.Nanoseconds())/1000)
	}
	return a
}
