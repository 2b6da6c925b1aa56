package queuesoak

import (
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
	"schoolbell/test/queuesoak/soaker/plan"
)

// look is all that Redis holds of a queue, read while nothing happens.
type look struct {
	queue  string
	places map[string][]string          // of each id, by the names of the keys
	hashes map[string]map[string]string // of jobs, by id
	others []string                     // all other keys, without the queue's prefix
	lives  *lives
}

// stored is a job with all that is known of it.
type stored struct {
	id, queue string
	hash      map[string]string
	state     bullmq.State
	life      *life
}

// number is a field that holds one, 0 if there is none.
func (j stored) number(field string) int {
	n, err := strconv.Atoi(j.hash[field])
	if err != nil && j.hash[field] != "" {
		return -1
	}
	return n
}

func storedJob(id, queue string, hash map[string]string, of *look) stored {
	j := stored{id: id, queue: queue, hash: hash, life: of.lives.of[id]}
	if len(of.places[id]) > 0 {
		j.state = bullmq.State(of.places[id][0])
	}
	if j.life == nil {
		j.life = &life{}
	}
	return j
}

var (
	lists = []string{"wait", "paused", "active"}
	zsets = []string{"prioritized", "delayed", "waiting-children", "completed", "failed"}
	// ownKeys are those of the queue itself that may be there in the end; pc and marker are left
	// by the last jobs. goneKeys are those that may not.
	ownKeys  = []string{"id", "meta", "events", "marker", "pc", "stalled-check", "repeat", "completed", "failed", "delayed"}
	goneKeys = []string{"wait", "paused", "active", "prioritized", "waiting-children", "stalled", "limiter"}
)

func (s *soak) look(queue string) *look {
	s.Helper()
	l := &look{queue: queue, places: map[string][]string{}, hashes: map[string]map[string]string{}}
	prefix := "bull:" + queue + ":"
	for _, name := range lists {
		ids, err := s.rdb.LRange(s.Context(), prefix+name, 0, -1).Result()
		s.ok(err)
		l.note(name, ids)
	}
	for _, name := range zsets {
		ids, err := s.rdb.ZRange(s.Context(), prefix+name, 0, -1).Result()
		s.ok(err)
		l.note(name, ids)
	}
	s.readHashes(l, prefix)
	l.lives = s.follow(prefix + "events")
	return l
}

func (l *look) note(place string, ids []string) {
	for _, id := range ids {
		l.places[id] = append(l.places[id], place)
	}
}

// readHashes reads every hash that may be a job: whose key is not that of a part of a job, or of the queue.
func (s *soak) readHashes(l *look, prefix string) {
	s.Helper()
	var ids []string
	scheduler := "repeat:" + plan.Scheduler(l.queue)
	keys := s.rdb.Scan(s.Context(), 0, prefix+"*", 5000).Iterator()
	for keys.Next(s.Context()) {
		key := strings.TrimPrefix(keys.Val(), prefix)
		if colons := strings.Count(key, ":"); colons == 0 && !slices.Contains(ownKeys, key) && !slices.Contains(goneKeys, key) ||
			colons == 2 && strings.HasPrefix(key, scheduler) {
			ids = append(ids, key)
		} else {
			l.others = append(l.others, key)
		}
	}
	s.ok(keys.Err())
	for part := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(ids))), 1000) {
		var hashes []*redis.MapStringStringCmd
		_, err := s.rdb.Pipelined(s.Context(), func(pipe redis.Pipeliner) error {
			for _, id := range part {
				hashes = append(hashes, pipe.HGetAll(s.Context(), prefix+id))
			}
			return nil
		})
		s.ok(err)
		for i, id := range part {
			l.hashes[id] = hashes[i].Val()
		}
	}
}

// follow goes through all events of a queue, of which none may have been trimmed.
func (s *soak) follow(key string) *lives {
	s.Helper()
	l := &lives{of: map[string]*life{}, kept: map[string]string{}}
	read := int64(0)
	for from := "-"; ; {
		page, err := s.rdb.XRangeN(s.Context(), key, from, "+", 5000).Result()
		s.ok(err)
		if len(page) == 0 {
			break
		}
		read += int64(len(page))
		from = "(" + page[len(page)-1].ID
		for _, event := range page {
			field := func(name string) string { text, _ := event.Values[name].(string); return text }
			l.take(field("event"), field("prev"), field("jobId"), field)
		}
	}
	for id, kept := range l.kept {
		l.fault("job %s was kept back for %s and never added", kept, id)
	}
	info, err := s.rdb.XInfoStream(s.Context(), key).Result()
	s.ok(err)
	if info.EntriesAdded != read {
		l.fault("of %d events %d are kept", info.EntriesAdded, read)
	}
	return l
}

// checkPlaces makes sure that each job is in one place, and that nothing is left of what is over.
func (s *soak) checkPlaces(l *look) {
	s.Helper()
	for _, fault := range l.lives.faults {
		s.complain("%s: %s", l.queue, fault)
	}
	for id, hash := range l.hashes {
		if len(l.places[id]) != 1 || hash["name"] == "" {
			s.complain("job %s of %s is in %v: %v", id, l.queue, l.places[id], hash)
		}
	}
	for id, places := range l.places {
		if l.hashes[id] == nil {
			s.complain("%v of %s has an id without a job: %s", places, l.queue, id)
		}
	}
	for _, key := range l.others {
		id, suffix, part := cutLast(key)
		switch {
		case !part && slices.Contains(ownKeys, key), key == "repeat:"+plan.Scheduler(l.queue), key == "wait": // checkJob knows who may wait
		case l.hashes[id] != nil && slices.Contains([]string{"logs", "processed", "failed", "unsuccessful"}, suffix):
		default: // a lock, unfinished children, a deduplication id, the set of stalled jobs …
			s.complain("a key of %s is left: %s", l.queue, key)
		}
	}
	meta, err := s.queues[l.queue].Meta(s.Context())
	s.ok(err)
	if meta.Paused {
		s.complain("%s is still paused", l.queue)
	}
}

func cutLast(key string) (id, suffix string, found bool) {
	i := strings.LastIndexByte(key, ':')
	if i < 0 {
		return key, "", false
	}
	return key[:i], key[i+1:], true
}
