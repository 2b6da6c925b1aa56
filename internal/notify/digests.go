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
}

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
	open, err := d.ledger.OpenDigests(ctx)
	if err != nil {
		return fmt.Errorf("read open digests: %w", err)
	}
	now := d.cfg.Now()
	closings := closed(open, d.cfg.School(), now)
	if len(closings) == 0 {
		return nil
	}
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

// closed returns the windows that have closed since their first item was added.
func closed(open []ledger.OpenDigest, school schoolbell.SchoolSettings, now time.Time) (closings []ledger.DigestClosing) {
	for _, o := range open {
		window := schoolbell.Schedule{Digest: o.Window}.Or(school).Digest
		at := window.LastClose(now, schoolbell.FirstTimezone(o.Timezone, school.Timezone))
		if o.Since.Before(at) {
			closings = append(closings, ledger.DigestClosing{Timezone: o.Timezone, Window: o.Window, At: at})
		}
	}
	return closings
}
