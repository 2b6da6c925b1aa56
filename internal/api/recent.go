package api

// recent is a map that keeps the entries used last and forgets the others: at least half
// of most entries stay, at most that many are held. Each call takes constant time. The
// zero value with most set works. It is not safe for concurrent use.
type recent[V any] struct {
	most int

	newer, older map[string]V // an entry of older that is used moves to newer
}

func (r *recent[V]) get(name string) (value V, ok bool) {
	if value, ok = r.newer[name]; ok {
		return value, true
	}
	if value, ok = r.older[name]; ok {
		r.put(name, value)
	}
	return value, ok
}

func (r *recent[V]) put(name string, value V) {
	if r.newer == nil || len(r.newer) >= r.most/2 {
		r.older, r.newer = r.newer, make(map[string]V)
	}
	r.newer[name] = value
}
