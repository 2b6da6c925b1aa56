package bullmq

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// world is what Redis should hold: the states and moves of DESIGN.md, written again as
// plainly as possible. Lists have their head first, as LRANGE shows
// them; the tail runs next.
type world struct {
	now    int64
	queues map[string]*modelQueue // by key prefix
	jobs   map[string]*modelJob   // by full key
	locks  map[string]string      // job key -> token
}

type modelQueue struct {
	p                                                 string
	wait, paused, active                              []string
	prioritized, delayed, children, completed, failed map[string]int64
	suspects                                          map[string]bool
	seq, lastID                                       int64
	isPaused                                          bool
	concurrency                                       int
	limiter                                           int64
	everMaxed                                         bool // a limit of concurrency was set: markers may be missing
}

type modelJob struct {
	q                                *modelQueue
	id                               string
	attempts                         int
	backoff                          int64
	lifo                             bool
	keep                             *Keep // removeOnComplete and removeOnFail
	delay, priority                  int64
	timestamp, processedOn, finished int64
	atm, ats, stc                    int
	defa                             string
	reason, result                   bool // there is one
	parent                           string
	mode                             FailureMode
	dependencies                     map[string]bool
	processed, ignored, unsuccessful map[string]bool
}

// modelClient is who changes things: a queue and a worker in one.
type modelClient struct {
	mode  string // pause mode
	limit int64  // of the worker, 0 for none
	token string // what the next start is locked with
}

func newWorld(now int64, prefixes ...string) *world {
	w := &world{now: now, queues: map[string]*modelQueue{}, jobs: map[string]*modelJob{}, locks: map[string]string{}}
	for _, p := range prefixes {
		w.queues[p] = &modelQueue{p: p}
		w.queues[p].clear()
	}
	return w
}

// clear empties a queue; its rate limit outlives it.
func (q *modelQueue) clear() {
	*q = modelQueue{p: q.p, limiter: q.limiter, everMaxed: q.everMaxed,
		prioritized: map[string]int64{}, delayed: map[string]int64{}, children: map[string]int64{},
		completed: map[string]int64{}, failed: map[string]int64{}, suspects: map[string]bool{}}
}

func (q *modelQueue) zsets() map[string]map[string]int64 {
	return map[string]map[string]int64{"prioritized": q.prioritized, "delayed": q.delayed,
		"waiting-children": q.children, "completed": q.completed, "failed": q.failed}
}

func (q *modelQueue) lists() map[string]*[]string {
	return map[string]*[]string{"wait": &q.wait, "paused": &q.paused, "active": &q.active}
}

// ranked are the members of a set by score, then by name.
func ranked(set map[string]int64) []string {
	return slices.SortedFunc(maps.Keys(set), func(a, b string) int {
		return cmp.Or(cmp.Compare(set[a], set[b]), strings.Compare(a, b))
	})
}

func (w *world) split(key string) (*modelQueue, string) {
	cut := strings.LastIndexByte(key, ':') + 1
	return w.queues[key[:cut]], key[cut:]
}

// open is a script's view of a queue: where jobs wait is settled when it begins.
type open struct {
	*modelQueue
	line *[]string
}

func (w *world) open(q *modelQueue, mode string) open {
	if q.isPaused && mode != "6" && (mode == "5" || len(q.paused) > 0) {
		return open{q, &q.paused}
	}
	return open{q, &q.wait}
}

func (o open) push(front bool, id string) {
	if front {
		*o.line = append(*o.line, id)
	} else {
		*o.line = append([]string{id}, *o.line...)
	}
}

func (q *modelQueue) prioritize(priority int64, id string) {
	q.seq++
	q.prioritized[id] = priority<<32 + q.seq
}

func (q *modelQueue) putDelayed(id string, base, delay int64) {
	q.delayed[id] = q.delayedScore(base, delay)
}

func (q *modelQueue) delayedScore(base, delay int64) int64 {
	least := (base + delay) * 4096
	last := least - 1
	for _, score := range q.delayed {
		if score < least+4096 {
			last = max(last, score)
		}
	}
	return min(last+1, least+4095)
}

func (q *modelQueue) blocked() bool {
	return q.isPaused || (q.concurrency > 0 && len(q.active) >= q.concurrency)
}

func (w *world) promoteDue(o open) {
	for _, id := range ranked(o.delayed) {
		if o.delayed[id] > (w.now+1)*4096-1 {
			break
		}
		delete(o.delayed, id)
		j := w.jobs[o.p+id]
		if j.priority > 0 {
			o.prioritize(j.priority, id)
		} else {
			o.push(false, id)
		}
		j.delay = 0
	}
}

// fetch starts the next job, nil if there is none.
func (w *world) fetch(o open, c modelClient) *modelJob {
	blocked := o.blocked()
	w.promoteDue(o)
	if (c.limit > 0 && o.limiter >= c.limit) || blocked {
		return nil
	}
	var id string
	if n := len(o.wait); n > 0 {
		id, o.wait = o.wait[n-1], o.wait[:n-1]
	} else if first := ranked(o.prioritized); len(first) > 0 {
		id = first[0]
		delete(o.prioritized, id)
	} else {
		o.seq = 0
		return nil
	}
	o.active = append([]string{id}, o.active...)
	j := w.jobs[o.p+id]
	if c.limit > 0 && j.defa == "" {
		o.limiter++
	}
	w.locks[o.p+id] = c.token
	j.processedOn = w.now
	j.ats++
	return j
}

// unlock tells whether the caller's token was the lock's, which is then gone.
func (w *world) unlock(key, token string) bool {
	if w.jobs[key] == nil || w.locks[key] != token {
		return false
	}
	delete(w.locks, key)
	q, id := w.split(key)
	delete(q.suspects, id)
	return true
}

func without(list []string, id string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(other string) bool { return other == id })
}

// takeOut takes an id out of wherever it is.
func (q *modelQueue) takeOut(id string) {
	for _, set := range q.zsets() {
		delete(set, id)
	}
	for _, list := range q.lists() {
		*list = without(*list, id)
	}
}

// release puts a parent that was removed from waiting-children where it waits for a worker.
func (w *world) release(j *modelJob, mode string) {
	o := w.open(j.q, mode)
	switch {
	case j.delay > 0:
		o.delayed[j.id] = (w.now + j.delay) * 4096
	case j.priority == 0:
		o.push(true, j.id)
	default:
		o.prioritize(j.priority, j.id)
	}
}

func (w *world) releaseIfReady(parent, mode string) {
	j := w.jobs[parent]
	if j == nil || len(j.dependencies) > 0 {
		return
	}
	if _, waits := j.q.children[j.id]; waits {
		delete(j.q.children, j.id)
		w.release(j, mode)
	}
}

func (w *world) childCompleted(child *modelJob, mode string) {
	key := child.q.p + child.id
	if p := w.jobs[child.parent]; p != nil && p.dependencies[key] {
		delete(p.dependencies, key)
		p.processed[key] = true
	}
	w.releaseIfReady(child.parent, mode)
}

func (w *world) childFailed(child *modelJob, mode string) {
	key := child.q.p + child.id
	p := w.jobs[child.parent]
	if child.mode == FailureNone || p == nil || !p.dependencies[key] {
		return
	}
	delete(p.dependencies, key)
	switch child.mode {
	case FailParent:
		p.unsuccessful[key] = true
		w.failParent(p, "child "+key+" failed", mode)
	case ContinueParent:
		p.ignored[key] = true
		if _, waits := p.q.children[p.id]; waits {
			delete(p.q.children, p.id)
			w.release(p, mode)
		}
	case IgnoreDependency:
		p.ignored[key] = true
		w.releaseIfReady(child.parent, mode)
	case RemoveDependency:
		w.releaseIfReady(child.parent, mode)
	}
}

func (w *world) failParent(p *modelJob, reason, mode string) {
	_, waits := p.q.children[p.id]
	_, delayed := p.q.delayed[p.id]
	_, failed := p.q.failed[p.id]
	if failed {
		return
	}
	p.defa = reason
	if delayed {
		p.delay = 0
	}
	if waits || delayed {
		delete(p.q.children, p.id)
		delete(p.q.delayed, p.id)
		w.release(p, mode)
	}
}

// detach takes a job that is being deleted out of its parent's dependencies.
func (w *world) detach(child, parent, mode string, hard bool, own *modelQueue) {
	p := w.jobs[parent]
	if p == nil || !p.dependencies[child] {
		return
	}
	delete(p.dependencies, child)
	if _, waits := p.q.children[p.id]; !waits || len(p.dependencies) > 0 {
		return
	}
	delete(p.q.children, p.id)
	if hard && p.q == own {
		if p.parent != "" {
			w.detach(parent, p.parent, mode, hard, own)
		}
		delete(w.jobs, parent)
		return
	}
	w.open(p.q, mode).push(true, p.id)
}

// purge deletes a job whose id is already taken out.
func (w *world) purge(q *modelQueue, id, mode string, hard bool) {
	key := q.p + id
	if j := w.jobs[key]; j != nil && j.parent != "" {
		w.detach(key, j.parent, mode, hard, q)
	}
	delete(w.jobs, key)
}

// reattach makes a finished job that runs again a dependency of its parent again.
func (w *world) reattach(j *modelJob, failed bool) {
	p, key := w.jobs[j.parent], j.q.p+j.id
	if p == nil {
		return
	}
	counted := p.processed[key]
	if failed {
		counted = p.unsuccessful[key] || p.ignored[key]
		if p.unsuccessful[key] {
			delete(p.unsuccessful, key)
		} else {
			delete(p.ignored, key)
		}
	} else {
		delete(p.processed, key)
	}
	if counted {
		p.dependencies[key] = true
	}
}
