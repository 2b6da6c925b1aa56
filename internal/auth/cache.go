package auth

import (
	"sync"
	"time"
)

// cache keeps what the ledger said for cacheTTL, so that checking a credential
// again and again costs nothing. Errors are not kept. It is safe for concurrent use.
type cache[K comparable, V any] struct {
	most int // entries; when there are more, all are forgotten

	mu     sync.Mutex
	values map[K]cachedValue[V]
}

type cachedValue[V any] struct {
	value V
	until time.Time
}

// get returns what is cached of key at the time now, or else asks.
func (r *cache[K, V]) get(key K, now time.Time, ask func() (V, error)) (V, error) {
	r.mu.Lock()
	known, ok := r.values[key]
	r.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.value, nil
	}
	value, err := ask()
	if err != nil {
		return value, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.values == nil || len(r.values) >= r.most {
		r.values = map[K]cachedValue[V]{}
	}
	r.values[key] = cachedValue[V]{value, now.Add(cacheTTL)}
	return value, nil
}
