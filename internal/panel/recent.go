package panel

import (
	"context"
	"sync"
	"time"
)

// recentEvery is how often the events of the day and of the last days are counted, however many look at the overview.
const recentEvery = 10 * time.Second

// recent keeps what the overview says of many events. It is safe for concurrent use.
type recent struct {
	mu       sync.Mutex
	at       time.Time
	tiles    []tile
	findings []finding
}

// get returns the numbers of the day and what needs attention, at most [recentEvery] old.
func (r *recent) get(ctx context.Context, s *Server) ([]tile, []finding, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.at.IsZero() && time.Since(r.at) < recentEvery {
		return r.tiles, r.findings, nil
	}
	tiles, err := s.today(ctx)
	if err != nil {
		return nil, nil, err
	}
	findings, err := s.findings(ctx)
	if err != nil {
		return nil, nil, err
	}
	r.tiles, r.findings, r.at = tiles, findings, time.Now()
	return tiles, findings, nil
}
