package bullmq

import (
	"slices"

	"schoolbell/bullmq/internal/wire"
)

// This file has the moves of the model that add and run jobs, managemoves_model_test.go those
// that manage them: one for each call of the package. Moves that can be refused say so by
// their result and then have changed nothing.

// add returns the id, and whether there is a refusal for the parent's sake.
func (w *world) add(c modelClient, q *modelQueue, o JobOptions) (id string, refused bool) {
	parent := ""
	if o.Parent != nil {
		parent = o.Parent.Queue + ":" + o.Parent.ID
		if w.jobs[parent] == nil {
			return "", true
		}
	}
	q.lastID++
	id = o.ID
	if id == "" {
		id = wire.FormatInt(q.lastID)
	}
	key := q.p + id
	if old := w.jobs[key]; old != nil {
		return id, w.adopt(c, old, parent, o.OnFailure)
	}
	j := &modelJob{q: q, id: id, attempts: o.Attempts, lifo: o.LIFO, keep: o.RemoveOnComplete, delay: o.Delay.Milliseconds(),
		priority: int64(o.Priority), timestamp: w.now, parent: parent, mode: o.OnFailure,
		dependencies: map[string]bool{}, processed: map[string]bool{}, ignored: map[string]bool{}, unsuccessful: map[string]bool{}}
	if o.Backoff != nil {
		j.backoff = o.Backoff.Delay.Milliseconds()
	}
	w.jobs[key] = j
	switch {
	case j.delay > 0:
		q.putDelayed(id, w.now, j.delay)
	case j.priority > 0:
		q.prioritize(j.priority, id)
	default:
		w.open(q, c.mode).push(j.lifo, id)
	}
	if parent != "" {
		w.jobs[parent].dependencies[key] = true
	}
	return id, false
}

// adopt is what adding a job that exists does.
func (w *world) adopt(c modelClient, j *modelJob, parent string, mode FailureMode) (refused bool) {
	if parent == "" {
		return false
	}
	if j.parent != "" && j.parent != parent && w.jobs[j.parent] != nil {
		return true
	}
	key := j.q.p + j.id
	if _, done := j.q.completed[j.id]; done {
		w.jobs[parent].processed[key] = true
		w.releaseIfReady(parent, c.mode)
	} else if !w.failureCounted(j, parent) {
		w.jobs[parent].dependencies[key] = true
	}
	j.parent, j.mode = parent, mode
	return false
}

// failureCounted reports whether a parent no longer waits for a child of its own that
// has failed for good.
func (w *world) failureCounted(j *modelJob, parent string) bool {
	if _, failed := j.q.failed[j.id]; !failed || j.parent != parent {
		return false
	}
	p, key := w.jobs[parent], j.q.p+j.id
	return p.ignored[key] || p.unsuccessful[key] || j.mode == RemoveDependency
}

// modelEnd is a run to end.
type modelEnd struct {
	key, token string
	completed  bool
	next       string // token of the job to be started in its place
}

// finish ends runs, one after the other, and then starts others in their places. Codes
// are those of the refusals, next is nil where nothing is started.
func (w *world) finish(c modelClient, ends ...modelEnd) (codes []int, next []*modelJob) {
	q, _ := w.split(ends[0].key)
	o := w.open(q, c.mode)
	for _, e := range ends {
		codes = append(codes, w.end(c, e))
	}
	for i, e := range ends {
		next = append(next, nil)
		if codes[i] == 0 {
			c.token = e.next
			next[i] = w.fetch(o, c)
		}
	}
	return codes, next
}

func (w *world) end(c modelClient, e modelEnd) (code int) {
	j := w.jobs[e.key]
	switch {
	case j == nil:
		return -1
	case e.completed && len(j.dependencies) > 0:
		return -4
	case e.completed && len(j.unsuccessful) > 0:
		return -9
	case !w.unlock(e.key, e.token):
		return -2
	}
	q := j.q
	q.active = without(q.active, j.id)
	if e.completed {
		w.childCompleted(j, c.mode)
	} else {
		w.childFailed(j, c.mode)
	}
	j.atm++
	if j.keep != nil && j.keep.None {
		w.purge(q, j.id, c.mode, false)
		return 0
	}
	j.finished = w.now
	set := q.failed
	if e.completed {
		set, j.result = q.completed, true
	} else {
		j.reason, j.defa = true, ""
	}
	set[j.id] = w.now
	w.trim(q, set, j.keep, c.mode)
	return 0
}

func (w *world) trim(q *modelQueue, set map[string]int64, keep *Keep, mode string) {
	if keep == nil {
		return
	}
	drop := func(id string) {
		delete(set, id)
		w.purge(q, id, mode, false)
	}
	for _, id := range ranked(set) {
		if keep.Age > 0 && set[id] <= w.now-keep.Age.Milliseconds() {
			drop(id)
		}
	}
	if ids := ranked(set); keep.Count > 0 && len(ids) > keep.Count {
		ids = ids[:len(ids)-keep.Count]
		slices.Reverse(ids)
		for _, id := range ids {
			drop(id)
		}
	}
}

// delay moves a running job to the delayed ones.
func (w *world) delay(c modelClient, key, token string, delay int64, spent, fetch bool) (ok bool, next *modelJob) {
	if !w.unlock(key, token) {
		return false, nil
	}
	j := w.jobs[key]
	o := w.open(j.q, c.mode)
	o.active = without(o.active, j.id)
	if spent {
		j.atm++
		j.reason = true
	}
	j.delay = delay
	o.putDelayed(j.id, w.now, delay)
	if fetch {
		next = w.fetch(o, c)
	}
	return true, next
}

func (w *world) requeue(c modelClient, key, token string) {
	q, _ := w.split(key)
	o := w.open(q, c.mode)
	w.promoteDue(o)
	if !w.unlock(key, token) {
		return
	}
	j := w.jobs[key]
	o.active = without(o.active, j.id)
	j.reason = true
	if j.priority > 0 {
		o.prioritize(j.priority, j.id)
	} else {
		o.push(j.lifo, j.id)
	}
	j.atm++
}

func (w *world) handBack(c modelClient, key, token string) bool {
	if !w.unlock(key, token) {
		return false
	}
	w.putBack(c, w.jobs[key])
	return true
}

// handBackAs returns a job behind those of a new priority.
func (w *world) handBackAs(c modelClient, key, token string, priority int64) {
	if !w.unlock(key, token) {
		return
	}
	j := w.jobs[key]
	q, _ := w.split(key)
	o := w.open(q, c.mode)
	o.active = without(o.active, j.id)
	j.priority = priority
	o.prioritize(priority, j.id)
}

// handBackUnrun returns a job that no handler has seen: its start does not count.
func (w *world) handBackUnrun(c modelClient, key, token string) {
	if !w.handBack(c, key, token) {
		return
	}
	j := w.jobs[key]
	if j.ats--; j.ats == 0 {
		j.processedOn = 0
	}
}

// putBack returns an active job to the front.
func (w *world) putBack(c modelClient, j *modelJob) {
	o := w.open(j.q, c.mode)
	o.active = without(o.active, j.id)
	if j.priority > 0 {
		o.prioritized[j.id] = j.priority << 32
	} else {
		o.push(true, j.id)
	}
}

// waitChildren returns the script's answer: 0 moved, 1 nothing to wait for, or a refusal.
func (w *world) waitChildren(key, token string) int {
	j := w.jobs[key]
	switch {
	case j == nil:
		return -1
	case len(j.unsuccessful) > 0:
		return -9
	case len(j.dependencies) == 0:
		return 1
	case !w.unlock(key, token):
		return -2
	}
	j.q.active = without(j.q.active, j.id)
	j.q.children[j.id] = w.now
	return 0
}

// stalled returns the ids that a check puts back. Redis goes over them in an order of its
// own, which the caller passes on to restore.
func (w *world) stalled(q *modelQueue) (ids []string) {
	for id := range q.suspects {
		if w.locks[q.p+id] == "" && slices.Contains(q.active, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (w *world) restore(c modelClient, q *modelQueue, ids []string, most int) {
	o := w.open(q, c.mode)
	for _, id := range ids {
		j := w.jobs[q.p+id]
		if j.stc++; j.stc > most {
			j.defa = "job stalled more than allowable limit"
		}
		q.active = without(q.active, id)
		o.push(true, id)
	}
	clear(q.suspects)
	for _, id := range q.active {
		q.suspects[id] = true
	}
}

// reclaim puts back what is locked by tokens of a worker that it does not know of.
func (w *world) reclaim(c modelClient, q *modelQueue, lost func(token string) bool) {
	for _, id := range slices.Clone(q.active) {
		if token := w.locks[q.p+id]; token != "" && lost(token) {
			w.handBack(c, q.p+id, token)
		}
	}
}
