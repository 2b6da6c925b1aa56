package cli

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"schoolbell"
)

// tally counts what arrived, person by person: emails by the catcher's record of
// recipients, inbox rows by the ledger's inboxes.
func (d *demo) tally(ctx context.Context, eventID string) (facts, error) {
	f := facts{Users: d.users}
	byEmail, byInbox := slices.Contains(d.channels, schoolbell.ChannelEmail), slices.Contains(d.channels, schoolbell.ChannelInApp)
	emails := make(map[string]int, d.users)
	catcher := d.runtime.Channels.Catcher
	if !catcher.Complete() {
		return f, fmt.Errorf("there were more emails than the mail catcher can tell apart")
	}
	f.EmailsAccepted, f.EmailsDistinct = catcher.Accepted(), catcher.Distinct()
	catcher.Recipients(func(addr string, n int) { emails[addr] += n })

	for from := 0; from < d.users; from += demoPage {
		ids := make([]string, 0, demoPage)
		for n := from; n < min(from+demoPage, d.users); n++ {
			ids = append(ids, d.person(n).ID)
		}
		rows, err := d.inboxRows(ctx, ids, eventID)
		if err != nil {
			return f, err
		}
		for _, id := range ids {
			m, r := emails[address(id)], rows[id]
			f.InApp += r
			f.Duplicates += max(0, m-1) + max(0, r-1)
			if byEmail && m == 0 || byInbox && r == 0 {
				f.Missing++
			}
		}
	}
	return f, nil
}

// inboxRows counts the rows of the event in the inboxes of the given people.
func (d *demo) inboxRows(ctx context.Context, ids []string, eventID string) (map[string]int, error) {
	refs, err := d.runtime.Ledger.Inboxes.UserRefs(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read users: %w", err)
	}
	found, err := d.runtime.Ledger.Inboxes.InboxSince(ctx, slices.Collect(maps.Values(refs)), 0, 4*len(ids))
	if err != nil {
		return nil, fmt.Errorf("read inboxes: %w", err)
	}
	rows := make(map[string]int, len(ids))
	for id, ref := range refs {
		for _, item := range found[ref] {
			if item.EventID == eventID {
				rows[id]++
			}
		}
	}
	return rows, nil
}

// print shows the facts to people.
func (d *demo) print(f facts) {
	a := d.app
	row := func(name, value, note string) {
		a.say("%s", painted(strings.TrimRight(fmt.Sprintf("  %-18s %10s  %s", name, value, a.style.dim(note)), " ")))
	}
	a.say("")
	row("People", number(f.Users), "")
	row("In-app messages", number(f.InApp), "rows in the ledger")
	row("Emails accepted", number(f.EmailsAccepted), "counted at the mail catcher")
	row("Emails distinct", number(f.EmailsDistinct), "by Message-ID")
	if slices.Contains(d.channels, schoolbell.ChannelSMS) {
		row("Text messages", number(f.SMS), "counted at a fake of Twilio")
	}
	if slices.Contains(d.channels, schoolbell.ChannelPush) {
		row("Push messages", number(f.Push), "counted at a fake push service")
	}
	row("Duplicates", number(f.Duplicates), "")
	row("Missing", number(f.Missing), "")
	row("Creating the event", fmt.Sprintf("%.1f ms", f.CreateMS), "the HTTP request")
	row("Reaching everyone", fmt.Sprintf("%.2f s", f.Seconds), fmt.Sprintf("%s emails per second", number(int(f.EmailsPerSecond))))
	row("Peak memory", fmt.Sprintf("%.0f MB", f.MaxRSSMB), "ledger, queues, API, workers and mail catcher together")
	a.say("")
	if f.Missing > 0 || f.Duplicates > 0 {
		a.say("  %s", a.style.bad("Not everyone was reached exactly once."))
		return
	}
	if d.keep {
		a.say("  %s", a.style.good("Everyone was reached, nobody twice."))
		return
	}
	a.say("  %s See it in the panel: schoolbell demo --keep", a.style.good("Everyone was reached, nobody twice."))
}

// step says what has been done.
func (d *demo) step(format string, args ...any) {
	if !d.quiet {
		d.app.tick(format, args...)
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func round(v float64, digits int) float64 {
	p := math.Pow10(digits)
	return math.Round(v*p) / p
}
