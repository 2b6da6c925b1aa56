// Package plan defines what each job of the soak is, does and leaves behind. All of it
// follows from the job's id, so that the programs that add it, run it and check it afterwards
// agree without communication, even after another one was killed.
package plan

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"

	"schoolbell/bullmq"
)

// Lock and Stalled are the workers' lock duration and interval of the search for lost
// jobs: short, so that a soak sees many of them run out.
const (
	Lock    = 1500 * time.Millisecond
	Stalled = 300 * time.Millisecond
)

// The two queues, each of which has a scheduler.
var Queues = []string{"left", "right"}

// Every is the interval of the schedulers.
const Every = 150 * time.Millisecond

// Scheduler is the id of a queue's scheduler.
func Scheduler(queue string) string { return "tick-" + queue }

// Kind is what is special about a job.
type Kind string

// The kinds. A job whose id has a dot is a part of the one before the dot: of a bulk, or
// a child.
const (
	Plain       Kind = "plain"
	LIFO        Kind = "lifo"
	Prioritized Kind = "prioritized"
	Delayed     Kind = "delayed"
	Retried     Kind = "retried"
	Bulk        Kind = "bulk" // no job, but several that are added together
	Flow        Kind = "flow"
	Fatal       Kind = "fatal"    // a flow whose first child fails and takes it along
	Step        Kind = "step"     // adds its children itself and waits for them
	Once        Kind = "once"     // dropped while another of its kind is there
	Replacing   Kind = "replaced" // takes the place of another of its kind
	Kept        Kind = "kept"     // kept back while another of its kind is being run
	Doomed      Kind = "doomed"   // removed while it is delayed
	Part        Kind = "part"     // of a bulk
	Child       Kind = "child"
	Iteration   Kind = "iteration" // of a scheduler
)

var weights = []struct {
	kind   Kind
	weight int
}{
	{Plain, 24}, {LIFO, 8}, {Prioritized, 12}, {Delayed, 10}, {Retried, 16}, {Bulk, 4}, {Flow, 7}, {Fatal, 3}, {Step, 7},
	{Once, 3}, {Replacing, 3}, {Kept, 3}, {Doomed, 3},
}

// Job is one job of the soak.
type Job struct {
	ID, Queue string
	Kind      Kind
	Options   bullmq.JobOptions // without Parent
	Fails     int               // attempts that fail, from the first on
	Work      time.Duration     // how long an attempt takes
	Speaks    bool              // whether it tells its progress and writes a log
	Parts     []string          // ids of its children, or of the jobs of a bulk
	Parent    string            // id, empty if it has none
}

// Of is the job of an id.
func Of(id string) Job {
	h := fnv.New64a()
	h.Write([]byte(id))
	dice := rand.New(rand.NewPCG(h.Sum64(), 1))
	j := Job{ID: id, Queue: Queues[dice.IntN(len(Queues))], Speaks: dice.IntN(3) == 0, Work: work(dice), Options: bullmq.JobOptions{ID: id}}
	for _, queue := range Queues {
		if strings.HasPrefix(id, "repeat:"+Scheduler(queue)) {
			j.Kind, j.Queue = Iteration, queue
			return j
		}
	}
	if dot := strings.LastIndexByte(id, '.'); dot >= 0 {
		j.belong(dice, Of(id[:dot]))
		return j
	}
	n := 0
	for _, w := range weights {
		n += w.weight
	}
	n = dice.IntN(n)
	for _, w := range weights {
		if n -= w.weight; n < 0 {
			j.Kind = w.kind
			break
		}
	}
	j.become(dice)
	return j
}

// work is short for most jobs, and for some longer than a lock lasts.
func work(dice *rand.Rand) time.Duration {
	switch n := dice.IntN(1000); {
	case n < 6:
		return Lock + time.Duration(dice.IntN(1000))*time.Millisecond
	case n < 100:
		return time.Duration(10+dice.IntN(150)) * time.Millisecond
	}
	return time.Duration(dice.IntN(10)) * time.Millisecond
}

// belong makes the job a part of another.
func (j *Job) belong(dice *rand.Rand, whole Job) {
	j.Kind = Part
	if whole.Kind == Bulk {
		return
	}
	j.Kind, j.Parent = Child, whole.ID
	j.Options.OnFailure = bullmq.IgnoreDependency
	if dice.IntN(3) == 0 {
		j.Options.OnFailure = bullmq.RemoveDependency
	}
	switch n := dice.IntN(10); {
	case n < 2:
		j.Fails, j.Options.Attempts = 1, 2
	case n < 4:
		j.Fails = 1
	}
	if whole.Kind == Fatal && j.ID == whole.Parts[0] {
		j.Fails, j.Options.Attempts, j.Options.OnFailure = 1, 1, bullmq.FailParent
	}
	if whole.Kind == Flow && whole.Parent == "" && dice.IntN(4) == 0 {
		j.Kind, j.Fails = Flow, 0
		j.split(1 + dice.IntN(2))
	}
}

// become makes the job one of its kind.
func (j *Job) become(dice *rand.Rand) {
	switch j.Kind {
	case LIFO:
		j.Options.LIFO = true
	case Prioritized:
		j.Options.Priority = 1 + dice.IntN(5)
	case Delayed:
		j.Options.Delay = time.Duration(1+dice.IntN(1500)) * time.Millisecond
	case Doomed:
		j.Options.Delay = time.Duration(500+dice.IntN(1000)) * time.Millisecond
	case Retried:
		j.retry(dice)
	case Bulk:
		j.split(10)
	case Flow, Fatal:
		j.split(1 + dice.IntN(4))
	case Step:
		j.split(1 + dice.IntN(3))
		j.Options.Attempts, j.Fails = 2, dice.IntN(2)
	case Once, Replacing, Kept:
		j.deduplicate(dice)
	}
}

func (j *Job) split(n int) {
	for i := range n {
		j.Parts = append(j.Parts, fmt.Sprintf("%s.%d", j.ID, i))
	}
}

func (j *Job) retry(dice *rand.Rand) {
	j.Options.Attempts = 1 + dice.IntN(3)
	j.Fails = dice.IntN(j.Options.Attempts + 1)
	j.Options.Priority = dice.IntN(3)
	switch dice.IntN(3) {
	case 1:
		j.Options.Backoff = &bullmq.Backoff{Type: "fixed", Delay: 30 * time.Millisecond}
	case 2:
		j.Options.Backoff = &bullmq.Backoff{Type: "exponential", Delay: 20 * time.Millisecond, Jitter: 0.5}
	}
}

// deduplicate gives the job an id that it shares with others of its kind.
func (j *Job) deduplicate(dice *rand.Rand) {
	n := dice.IntN(4)
	j.Queue = Queues[n%len(Queues)]
	j.Options.Deduplication = &bullmq.Deduplication{ID: fmt.Sprintf("%s-%d", j.Kind, n), Replace: j.Kind == Replacing, KeepLastIfActive: j.Kind == Kept}
	switch j.Kind {
	case Replacing:
		j.Options.Delay = 400 * time.Millisecond
	default:
		j.Work = time.Duration(50+dice.IntN(200)) * time.Millisecond
	}
}
