package interop

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"time"

	"schoolbell/bullmq"
	"schoolbell/internal/testenv"
)

// Short locks, so that lost jobs are found soon; long enough for a busy machine.
const (
	shortLock    = 2 * time.Second
	shortStalled = 300 * time.Millisecond
)

// victim is a worker in a process of its own, to be killed or stopped.
type victim interface {
	// holds waits until the worker is in the middle of a job of the name "hold".
	holds(id string)
	// complained waits until the worker has said that it could not store an outcome.
	complained(id string)
	signal(sig syscall.Signal)
	kill()
}

var languages = []string{"go", "node"}

// other is the language that a victim's rescuer is written in.
func other(language string) string {
	if language == "go" {
		return "node"
	}
	return "go"
}

// startVictim starts a worker of that name at some queues. Its jobs are those of goworker.
func (r *rig) startVictim(language, name string, concurrency int, queues ...string) victim {
	r.Helper()
	if language == "go" {
		args := []string{"-redis", r.addr, "-name", name, "-concurrency", fmt.Sprint(concurrency),
			"-lock", shortLock.String(), "-stalled", shortStalled.String()}
		p := testenv.StartProgram(r.T, testenv.ProgramOptions{}, testenv.Build(r.T, "./test/interop/goworker"), append(args, queues...)...)
		p.Await("ready")
		return &goVictim{r, p}
	}
	n := startNode(r.T, r.major, r.site)
	n.do(nil, `const [name, concurrency, lockDuration, stalledInterval, queues] = args;
		$.connection.connectionName = name;
		$.state.held = [];
		const processor = async (job) => {
			if (job.name !== 'hold') {
				await new Promise((done) => setTimeout(done, 2));
				return name;
			}
			$.state.held.push(job.id);
			const { default: Redis } = await import('ioredis');
			const redis = new Redis($.connection);
			await redis.blpop('release', 0);
			redis.disconnect();
			return name;
		};
		for (const queue of queues) await $.worker(queue, processor, { name, concurrency, lockDuration, stalledInterval })`,
		name, concurrency, shortLock.Milliseconds(), shortStalled.Milliseconds(), queues)
	return &nodeVictim{r, n}
}

type goVictim struct {
	r *rig
	*testenv.Program
}

func (v *goVictim) holds(id string) { v.r.Helper(); v.Await("holds " + id + "\n") }
func (v *goVictim) complained(id string) {
	v.r.Helper()
	v.Await("outcome of job " + id + " is not stored")
}
func (v *goVictim) signal(sig syscall.Signal) { v.r.Helper(); v.Signal(sig) }
func (v *goVictim) kill()                     { v.Kill() }

type nodeVictim struct {
	r *rig
	*node
}

func (v *nodeVictim) holds(id string) {
	v.r.Helper()
	v.says(`$.state.held.includes(args[0])`, id)
}

func (v *nodeVictim) complained(id string) {
	v.r.Helper()
	v.says(`$.errors.some((e) => e.includes('job ' + args[0]) && /Missing lock|Lock mismatch|not in the active state/.test(e))`, id)
}

func (v *nodeVictim) says(condition, id string) {
	v.r.Helper()
	testenv.Eventually(v.r.T, patience, func() bool {
		var yes bool
		v.do(&yes, `return `+condition, id)
		return yes
	}, "the Node worker says %s of job %s", condition, id)
}

// rescue runs a worker of a language in an undisturbed process at a queue. Its jobs are quick.
func (r *rig) rescue(language, queue string) {
	r.Helper()
	if language == "go" {
		r.work(queue, func(context.Context, *bullmq.Job) (any, error) { return "rescuer", nil },
			bullmq.WorkerOptions{Name: "rescuer", Concurrency: 4, LockDuration: shortLock, StalledInterval: shortStalled})
		return
	}
	r.node.do(nil, `await $.worker(args[0], async () => 'rescuer', { name: 'rescuer', concurrency: 4, lockDuration: args[1], stalledInterval: args[2] })`,
		queue, shortLock.Milliseconds(), shortStalled.Milliseconds())
}

// gone waits until Redis has forgotten the connections of a worker that was killed: what they
// had sent has been carried out by then.
func (r *rig) gone(name string) {
	r.Helper()
	testenv.Eventually(r.T, patience, func() error {
		list, err := r.rdb.ClientList(r.Context()).Result()
		if err == nil && strings.Contains(list, name) {
			err = fmt.Errorf("clients are %s", list)
		}
		return err
	}, "the connections of %s are gone", name)
}
