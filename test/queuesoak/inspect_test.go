package queuesoak

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"schoolbell/bullmq"
	"schoolbell/test/queuesoak/soaker/plan"
)

// told is what the programs have printed.
type told struct {
	added, dropped, removing, removed map[string]bool
	again                             int
	runs                              map[string]int // of handlers, by job
}

// listen reads what the programs have printed. The last line of one that was killed may be torn.
func (s *soak) listen() told {
	s.Helper()
	t := told{added: map[string]bool{}, dropped: map[string]bool{}, removing: map[string]bool{}, removed: map[string]bool{}, runs: map[string]int{}}
	for _, p := range s.started {
		text := p.Output()
		for line := range strings.Lines(text[:strings.LastIndexByte(text, '\n')+1]) {
			word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			id, _, _ := strings.Cut(rest, " ")
			switch word {
			case "added":
				t.added[id] = true
			case "dropped":
				t.dropped[id] = true
			case "removing":
				t.removing[id] = true
			case "removed":
				t.removed[id] = true
			case "again":
				t.again++
			case "runs":
				t.runs[id]++
			}
		}
	}
	return t
}

// acknowledged are all jobs whose addition was acknowledged, with the parts of those that have some.
func (t told) acknowledged() []string {
	var ids []string
	for id := range t.added {
		j := plan.Of(id)
		if j.Kind != plan.Bulk {
			ids = append(ids, id)
		}
		if j.Kind == plan.Bulk || isFlow(j) {
			ids = append(ids, descendants(j)...)
		}
	}
	return ids
}

func isFlow(j plan.Job) bool { return j.Kind == plan.Flow || j.Kind == plan.Fatal }

func descendants(j plan.Job) (ids []string) {
	for _, id := range j.Parts {
		ids = append(ids, id)
		ids = append(ids, descendants(plan.Of(id))...)
	}
	return ids
}

// totals are what the soak reports of itself.
type totals struct {
	jobs, attempts, starts, stalls, handed, repeats int
	states                                          map[bullmq.State]int
}

// inspect looks at everything that Redis holds.
func (s *soak) inspect(title string) {
	s.Helper()
	t, sum := s.listen(), totals{states: map[bullmq.State]int{}}
	stored := map[string]stored{}
	for _, name := range plan.Queues {
		look := s.look(name)
		s.checkPlaces(look)
		s.checkScheduler(look)
		for id, life := range look.lives.of {
			if look.hashes[id] == nil && life.state != stateRemoved && life.state != stateNone {
				s.complain("job %s of %s was %s and is gone", id, name, life.state)
			}
		}
		for id, hash := range look.hashes {
			stored[id] = storedJob(id, name, hash, look)
		}
		for id, life := range look.lives.of {
			if life.replaced {
				t.removed[id] = true
			}
		}
	}
	for _, id := range t.acknowledged() {
		if _, there := stored[id]; !there && !t.removed[id] && !t.removing[id] {
			s.complain("job %s was acknowledged and is not there", id)
		}
	}
	for id := range t.removed {
		if _, there := stored[id]; there {
			s.complain("job %s was removed and is there", id)
		}
	}
	for id := range t.dropped {
		if _, there := stored[id]; there && plan.Of(id).Kind != plan.Kept {
			s.complain("job %s was dropped and is there", id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(stored)) {
		s.checkJob(stored[id], stored, t, &sum)
	}
	if s.wrong > 0 {
		s.Errorf("%d things are wrong", s.wrong)
	}
	s.Logf("%s: %d jobs acknowledged, %d stored (%v) in %d attempts; faults %v; %d additions were repeated; "+
		"of %d starts %d ended with a lost worker and %d were handed back; %d runs of handlers were repetitions",
		title, len(t.acknowledged()), sum.jobs, sum.states, sum.attempts, s.struck, t.again, sum.starts, sum.stalls, sum.handed, sum.repeats)
}

// checkJob holds a job against its plan, and against what the events tell of it.
func (s *soak) checkJob(j stored, all map[string]stored, t told, sum *totals) {
	s.Helper()
	p := plan.Of(j.id)
	if p.Kind == plan.Iteration && (j.state == bullmq.StateDelayed || j.state == "wait") {
		return // the next one, which the last worker may have handed back as it ended
	}
	want := p.Outcome()
	got := plan.Outcome{State: j.state, Attempts: j.number("atm"), Value: j.hash["returnvalue"], Reason: j.hash["failedReason"]}
	if want.State == bullmq.StateCompleted && p.Fails > 0 {
		want.Reason = p.Reason(p.Fails) // of the attempt before
	}
	if got != want || j.queue != p.Queue {
		s.complain("job %s (%s) in %s ended as\n%+v, want\n%+v", j.id, p.Kind, j.queue, got, want)
	}
	life, runs := j.life, t.runs[j.id]
	retries := 0
	if p.Options.Backoff == nil {
		retries = max(got.Attempts-1, 0)
	}
	handed := life.returns - life.stalls - retries // back by a worker
	// A start that no handler has seen, since its worker was told to stop, does not count.
	unrun := life.starts - j.number("ats")
	if life.state != j.state || unrun < 0 || unrun > handed || j.number("stc") != life.stalls {
		s.complain("job %s is %s, started %s and stalled %s times; by its events: %+v", j.id, j.state, j.hash["ats"], j.hash["stc"], *life)
	}
	waits := life.waits
	if isFlow(p) {
		waits++
	}
	if life.releases != waits {
		s.complain("parent %s waited %d times and was released %d times", j.id, waits, life.releases)
	}
	for _, id := range p.Parts {
		if _, there := all[id]; !there {
			s.complain("job %s is there without its child %s", j.id, id)
		}
	}
	whole, _, _ := strings.Cut(j.id, ".")
	producer, _, _ := strings.Cut(j.id, "-")
	if p.Kind != plan.Iteration && !t.added[whole] && !t.dropped[whole] && !s.wasKilled(producer) {
		s.complain("job %s is there and %s, which lives, never learned of it", j.id, producer)
	}
	if _, there := all[p.Parent]; p.Parent != "" && !there {
		s.complain("child %s is there without its parent", j.id)
	}
	needed := got.Attempts + life.waits
	if p.Kind == plan.Fatal {
		needed = 0 // it fails without being run
	}
	if starts := life.starts - unrun; runs > starts || runs < needed {
		s.complain("job %s was run %d times: it was started %d times, of which %d were needed", j.id, runs, starts, needed)
	}
	if p.Speaks && p.Kind != plan.Fatal {
		s.checkSpeech(j, got.Attempts)
	}
	sum.jobs++
	sum.attempts += got.Attempts
	sum.states[j.state]++
	sum.starts += life.starts
	sum.stalls += life.stalls
	sum.handed += handed
	sum.repeats += runs - needed
}

// wasKilled tells whether a program was killed, and so may not have heard what it did.
func (s *soak) wasKilled(name string) bool {
	return slices.ContainsFunc(s.started, func(p *soaker) bool { return p.name == name && p.killed })
}

// checkSpeech looks for what each attempt told of itself, at least once.
func (s *soak) checkSpeech(j stored, attempts int) {
	s.Helper()
	lines, _, err := s.queues[j.queue].Logs(s.Context(), j.id, bullmq.LogsOptions{})
	s.ok(err)
	for n := range attempts {
		if !slices.Contains(lines, fmt.Sprint("attempt ", n+1)) {
			s.complain("job %s made %d attempts and its log is %q", j.id, attempts, lines)
		}
	}
	if n := j.number("progress"); n < 1 || n > attempts {
		s.complain("the progress of job %s is %s", j.id, j.hash["progress"])
	}
}

// checkScheduler makes sure that one job is planned, and that all are of the scheduler's grid.
func (s *soak) checkScheduler(look *look) {
	s.Helper()
	name := plan.Scheduler(look.queue)
	scheduler, err := s.queues[look.queue].Scheduler(s.Context(), name)
	s.ok(err)
	var times []int64
	for id := range look.hashes {
		if text, ok := strings.CutPrefix(id, "repeat:"+name+":"); ok {
			var at int64
			if _, err := fmt.Sscan(text, &at); err != nil {
				s.complain("iteration %s: %v", id, err)
			}
			times = append(times, at)
		}
	}
	slices.Sort(times)
	for _, at := range times {
		if (at-times[0])%plan.Every.Milliseconds() != 0 {
			s.complain("the iteration of %d is off the grid of %d", at, times[0])
		}
	}
	next := slices.Max(times)
	planned := look.places[fmt.Sprintf("repeat:%s:%d", name, next)]
	if scheduler.Next.UnixMilli() != next || scheduler.Iterations != int64(len(times)) || len(planned) != 1 || planned[0] != "delayed" && planned[0] != "wait" {
		s.complain("of %d iterations, %d are counted; the last, of %d, is in %v; the next should be at %d", len(times), scheduler.Iterations, next, planned, scheduler.Next.UnixMilli())
	}
}
