package notify

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/outage"
)

// digests makes an event of the items of all people whose window has closed. One process at a time looks.
type digests struct {
	cfg    Config
	ledger ledger.Digests
	duty   *duty
	log    *slog.Logger
	down   outage.Log
	failed bool // the last look of this process did not end

	looked   time.Time // when this process has looked at the windows that there are
	searched time.Time // and when at all items
}

// digestSearch is how long a digest may be late whose items were committed after the window had closed, or whose window or time
// zone was changed. A search reads all items that are in no digest, the looks between two searches only the windows that people
// have.
const digestSearch = 15 * time.Minute

// runDigests looks for windows that have closed until ctx ends.
func (p *Pipeline) runDigests(ctx context.Context) error {
	if !slices.Contains(p.cfg.Channels, schoolbell.ChannelEmail) {
		return nil
	}
	d := &digests{cfg: p.cfg, ledger: p.ledger.Digests, log: p.log,
		duty: p.queues.duty("digest", p.cfg.DigestPoll*9/10)} // shorter than the time between two looks of one process
	tick := time.NewTicker(p.cfg.DigestPoll)
	defer tick.Stop()
	for {
		d.down.Note(ctx, d.log, slog.LevelError, "make digests", d.look(ctx))
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look makes a digest, unless it is another process's turn.
func (d *digests) look(ctx context.Context) error {
	if taken, err := d.duty.take(ctx, d.failed); err != nil || !taken {
		return err
	}
	err := d.close(ctx)
	d.failed = err != nil
	return err
}

// close makes one digest for everybody whose window has closed. The outbox finds it, as all events.
func (d *digests) close(ctx context.Context) error {
	now := d.cfg.Now()
	search := now.Sub(d.searched) >= digestSearch || now.Before(d.looked) // the clock was set back
	closings, err := d.closings(ctx, search, now)
	if err == nil && len(closings) > 0 {
		err = d.make(ctx, closings, now)
	}
	if err != nil {
		return err
	}
	d.looked = now
	if search {
		d.searched = now
	}
	return nil
}

// closings returns the windows that have closed: with a search those of open items, else those that have closed since this process
// looked.
func (d *digests) closings(ctx context.Context, search bool, now time.Time) ([]ledger.DigestClosing, error) {
	windows, since := d.ledger.DigestWindows, func(ledger.OpenDigest) time.Time { return d.looked }
	if search {
		windows, since = d.ledger.OpenDigests, func(o ledger.OpenDigest) time.Time { return o.Since }
	}
	open, err := windows(ctx)
	if err != nil {
		return nil, fmt.Errorf("read open digests: %w", err)
	}
	school := d.cfg.School()
	var closings []ledger.DigestClosing
	for _, o := range open {
		window := schoolbell.Schedule{Digest: o.Window}.Or(school).Digest
		at := window.LastClose(now, schoolbell.FirstTimezone(o.Timezone, school.Timezone))
		if since(o).Before(at) {
			closings = append(closings, ledger.DigestClosing{Timezone: o.Timezone, Window: o.Window, At: at})
		}
	}
	return closings, nil
}

// make stores a digest of the items of windows that have closed.
func (d *digests) make(ctx context.Context, closings []ledger.DigestClosing, now time.Time) error {
	ev := &schoolbell.Event{Title: "Digest", Body: "Messages that people get together.", Category: schoolbell.CategoryDigest,
		Channels: []schoolbell.Channel{schoolbell.ChannelEmail}, CreatedBy: schoolbell.Actor{Kind: schoolbell.ActorSystem}}
	if err := identify(ev, schoolbell.Time(now)); err != nil {
		return err
	}
	items, err := d.ledger.CloseDigests(ctx, ev, closings)
	if err != nil {
		return fmt.Errorf("make a digest: %w", err)
	}
	if items > 0 {
		d.log.Info("digest made", "event", ev.ID, "items", items, "windows", len(closings))
	}
	return nil
}
