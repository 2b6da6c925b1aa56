package calls

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"schoolbell"
)

// loudEvery is how often it is logged that a provider rejects all messages.
const loudEvery = time.Minute

// Stop remembers that a provider rejects all messages, for a reason that somebody must remove. It is safe for
// concurrent use.
type Stop struct {
	log  *slog.Logger
	text string

	stopped atomic.Bool // reason is set
	mu      sync.Mutex
	reason  string
	until   time.Time
	loud    time.Time // when it was last logged
}

// NewStop returns the memory of a provider that rejects nothing yet. text is what is logged when it does.
func NewStop(log *slog.Logger, text string) *Stop {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Stop{log: log, text: text}
}

// Rejected notes the reason for which the provider rejects all messages, and logs it, but not for every message.
// It is forgotten after rest, or when a message is taken.
func (s *Stop) Rejected(reason string, rest time.Duration) {
	reason = schoolbell.Redact(reason, schoolbell.Personal{})
	now := time.Now()
	s.mu.Lock()
	s.reason, s.until = reason, now.Add(rest)
	s.stopped.Store(true)
	quiet := now.Sub(s.loud) < loudEvery
	if !quiet {
		s.loud = now
	}
	s.mu.Unlock()
	if !quiet {
		s.log.Error(s.text, "reason", reason, "again_in", rest)
	}
}

// Taken notes that the provider has taken a message.
func (s *Stop) Taken() {
	if !s.stopped.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reason = ""
	s.stopped.Store(false)
}

// Reason returns why the provider rejects all messages, or nothing.
func (s *Stop) Reason() string {
	if !s.stopped.Load() {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().After(s.until) {
		return ""
	}
	return s.reason
}
