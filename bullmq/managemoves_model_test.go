package bullmq

import "slices"

// This file has the moves of the model that manage a queue and its jobs: retries, changes,
// removals and pauses.

// retry reports false if the job has not finished.
func (w *world) retry(c modelClient, key string, opts RetryOptions) bool {
	j := w.jobs[key]
	if j == nil {
		return false
	}
	_, failed := j.q.failed[j.id]
	_, completed := j.q.completed[j.id]
	if opts.From == StateCompleted && !completed || opts.From != StateCompleted && !failed {
		return false
	}
	w.unfinish(j, failed)
	if opts.ResetAttemptsMade {
		j.atm = 0
	}
	if opts.ResetAttemptsStarted {
		j.ats = 0
	}
	if j.priority > 0 {
		j.q.prioritize(j.priority, j.id)
	} else {
		w.open(j.q, c.mode).push(j.lifo, j.id)
	}
	return true
}

func (w *world) unfinish(j *modelJob, failed bool) {
	delete(j.q.failed, j.id)
	delete(j.q.completed, j.id)
	j.finished, j.processedOn = 0, 0
	if failed {
		j.reason = false
	} else {
		j.result = false
	}
	w.reattach(j, failed)
}

// moveAll retries or promotes a whole set.
func (w *world) moveAll(c modelClient, q *modelQueue, set map[string]int64, newest int64, state State) {
	o := w.open(q, c.mode)
	for _, id := range ranked(set) {
		if set[id] > newest {
			continue
		}
		if state != StateDelayed {
			w.unfinish(w.jobs[q.p+id], state == StateFailed)
		}
		delete(set, id)
		o.push(false, id)
	}
}

func (w *world) promote(c modelClient, key string) bool {
	q, id := w.split(key)
	if _, is := q.delayed[id]; !is {
		return false
	}
	delete(q.delayed, id)
	j := w.jobs[key]
	if j.priority > 0 {
		q.prioritize(j.priority, id)
	} else {
		w.open(q, c.mode).push(false, id)
	}
	j.delay = 0
	return true
}

func (w *world) changeDelay(key string, delay int64) bool {
	q, id := w.split(key)
	if _, is := q.delayed[id]; !is {
		return false
	}
	q.delayed[id] = q.delayedScore(w.now, delay)
	w.jobs[key].delay = delay
	return true
}

func (w *world) changePriority(c modelClient, key string, priority int64, front bool) bool {
	j := w.jobs[key]
	if j == nil {
		return false
	}
	o := w.open(j.q, c.mode)
	_, waits := o.prioritized[j.id]
	if waits || slices.Contains(o.wait, j.id) || slices.Contains(o.paused, j.id) {
		o.takeOut(j.id)
		switch {
		case priority == 0:
			o.push(front, j.id)
		case front:
			o.prioritized[j.id] = priority << 32
		default:
			o.prioritize(priority, j.id)
		}
	}
	j.priority = priority
	return true
}

func (w *world) locked(key string, children bool) bool {
	if w.locks[key] != "" {
		return true
	}
	if children {
		for _, child := range w.ownChildren(key) {
			if w.locked(child, true) {
				return true
			}
		}
	}
	return false
}

// ownChildren are the children of a job that have not been added under another parent since.
func (w *world) ownChildren(key string) (own []string) {
	j := w.jobs[key]
	if j == nil {
		return nil
	}
	for _, set := range []map[string]bool{j.processed, j.ignored, j.unsuccessful, j.dependencies} {
		for child := range set {
			if c := w.jobs[child]; c != nil && c.parent == key {
				own = append(own, child)
			}
		}
	}
	return own
}

func (w *world) remove(c modelClient, key, parent string, children bool) {
	q, id := w.split(key)
	j := w.jobs[key]
	if j != nil && parent == "" {
		parent = j.parent
	}
	if parent != "" {
		w.detach(key, parent, c.mode, false, q)
	}
	if children {
		for _, child := range w.ownChildren(key) {
			w.remove(c, child, key, true)
		}
	}
	q.takeOut(id)
	delete(w.jobs, key)
}

// age is the time by which clean judges a job that has not finished.
func (j *modelJob) age(set string) int64 {
	if (set == "wait" || set == "paused" || set == "active") && j.finished > 0 {
		return j.finished
	}
	if set != "prioritized" && j.processedOn > 0 {
		return j.processedOn
	}
	return j.timestamp
}

func (w *world) clean(c modelClient, q *modelQueue, state State, newest int64, limit int) {
	names := map[State][]string{StateWaiting: {"wait", "paused"}, StateActive: {"active"}}[state]
	if names == nil {
		names = []string{string(state)}
	}
	n := 0
	for _, name := range names {
		var ids []string
		if list := q.lists()[name]; list != nil {
			ids = slices.Clone(*list)
			slices.Reverse(ids)
		} else {
			ids = ranked(q.zsets()[name])
		}
		for _, id := range ids {
			j := w.jobs[q.p+id]
			if limit > 0 && n >= limit {
				return
			}
			if name == "completed" || name == "failed" {
				if q.zsets()[name][id] > newest {
					continue
				}
			} else if j != nil && (j.age(name) > newest || (name == "active" && w.locks[q.p+id] != "")) {
				continue
			}
			n++
			q.takeOut(id)
			w.purge(q, id, c.mode, true)
		}
	}
}

func (w *world) drain(c modelClient, q *modelQueue, delayed bool) {
	ids := append(slices.Clone(q.wait), q.paused...)
	ids = append(ids, ranked(q.prioritized)...)
	if delayed {
		ids = append(ids, ranked(q.delayed)...)
	}
	for _, id := range ids {
		q.takeOut(id)
		w.purge(q, id, c.mode, true)
	}
}

// obliterate reports false if jobs are being run.
func (w *world) obliterate(c modelClient, q *modelQueue, force bool) bool {
	w.pause(c, q)
	if !force && len(q.active) > 0 {
		return false
	}
	ids := slices.Clone(q.active)
	for _, id := range ids {
		delete(w.locks, q.p+id)
	}
	ids = append(ids, ranked(q.delayed)...)
	ids = append(ids, ranked(q.completed)...)
	ids = append(ids, q.wait...)
	ids = append(ids, q.paused...)
	ids = append(ids, ranked(q.prioritized)...)
	ids = append(ids, ranked(q.failed)...)
	ids = append(ids, ranked(q.children)...)
	for _, id := range ids {
		q.takeOut(id)
		w.purge(q, id, c.mode, true)
	}
	q.clear()
	return true
}

func (w *world) pause(c modelClient, q *modelQueue) {
	q.isPaused = true
	if o := w.open(q, c.mode); o.line == &q.paused {
		q.paused = append(q.wait, q.paused...)
		q.wait = nil
	}
}

func (w *world) resume(q *modelQueue) {
	q.isPaused = false
	q.wait = append(q.wait, q.paused...)
	q.paused = nil
}
