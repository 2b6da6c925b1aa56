package auth

import (
	"sync"
	"time"
)

// remembered keeps what the ledger said for cacheTTL, so that checking a credential
// again and again costs nothing. Errors are not kept. It is safe for concurrent use.
type remembered[K comparable, V any] struct {
	most int // entries; when there are more, all are forgotten

	mu     sync.Mutex
	values map[K]rememberedValue[V]
}

type rememberedValue[V any] struct {
	value V
	until time.Time
}

// get returns what is remembered of key at the time now, or else asks.
func (r *remembered[K, V]) get(key K, now time.Time, ask func() (V, error)) (V, error) {
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
		r.values = map[K]rememberedValue[V]{}
	}
	r.values[key] = rememberedValue[V]{value, now.Add(cacheTTL)}
	return value, nil
}
