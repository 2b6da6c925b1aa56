// Package cache keeps what many pages show, so that it is read once in a while, however many ask for it.
package cache

import (
	"sync"
	"time"
)

// Values are values by name. They are safe for concurrent use.
type Values struct {
	mu     sync.Mutex
	values map[string]*value
}

// value is one of them. Those who ask wait for the one who reads it.
type value struct {
	mu   sync.Mutex
	at   time.Time
	last any
}

// maxValues bounds them: there is one for each question and for each limit of what an account may see.
const maxValues = 1_000

// New returns no values yet.
func New() *Values { return &Values{values: map[string]*value{}} }

// Get returns the value of a name, which read makes again when it is older than age. An error is not cached.
func Get[T any](k *Values, name string, age time.Duration, read func() (T, error)) (T, error) {
	v := k.of(name)
	v.mu.Lock()
	defer v.mu.Unlock()
	if last, ok := v.last.(T); ok && time.Since(v.at) < age {
		return last, nil
	}
	fresh, err := read()
	if err == nil {
		v.last, v.at = fresh, time.Now()
	}
	return fresh, err
}

func (k *Values) of(name string) *value {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.values[name] == nil {
		if len(k.values) == maxValues {
			clear(k.values)
		}
		k.values[name] = new(value)
	}
	return k.values[name]
}
