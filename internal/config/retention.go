package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"schoolbell"
)

// Retention settings say for how long the ledger keeps rows, as long as the school has not
// chosen otherwise.
type Retention struct {
	Events      Keep `name:"retain-events" setting:"RETAIN_EVENTS" default:"400d" placeholder:"TIME" help:"How long events are kept after they ended, with all that belongs to them. forever or 0 keeps them."`
	Deliveries  Keep `name:"retain-deliveries" setting:"RETAIN_DELIVERIES" default:"400d" placeholder:"TIME" help:"How long deliveries are kept after their event ended. Their counts stay with the event."`
	Inbox       Keep `name:"retain-inbox" setting:"RETAIN_INBOX" default:"400d" placeholder:"TIME" help:"How long inbox items are kept after they arrived."`
	Receipts    Keep `name:"retain-receipts" setting:"RETAIN_RECEIPTS" default:"400d" placeholder:"TIME" help:"How long receipts of providers are kept."`
	Audit       Keep `name:"retain-audit" setting:"RETAIN_AUDIT" default:"400d" placeholder:"TIME" help:"How long entries of the audit are kept."`
	Idempotency Keep `name:"retain-idempotency" setting:"RETAIN_IDEMPOTENCY" default:"7d" placeholder:"TIME" help:"How long idempotency keys are kept. A plain number is seconds, also in the other RETAIN_ settings."`
}

// Keep is how long something is kept: 400d, a duration such as 36h, or a plain number of
// seconds. 0, which is also written as forever, has no end.
type Keep time.Duration

// UnmarshalText reads k as a setting has it.
func (k *Keep) UnmarshalText(text []byte) error {
	s := string(text)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return fmt.Errorf("must be a time such as 400d or 36h, a number of seconds, or forever")
		}
		*k = Keep(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	if s == string(schoolbell.Forever) {
		*k = 0
		return nil
	}
	d, err := ParseDuration(s, "s")
	if err != nil {
		return fmt.Errorf("must be a time such as 400d or 36h, a number of seconds, or forever")
	}
	*k = Keep(d)
	return nil
}

// String is the inverse of UnmarshalText.
func (k Keep) String() string {
	const day = 24 * time.Hour
	switch d := k.Duration(); {
	case d == 0:
		return string(schoolbell.Forever)
	case d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	default:
		return formatDuration(d)
	}
}

// Duration returns k, 0 for no end.
func (k Keep) Duration() time.Duration { return time.Duration(k) }

func (r *Retention) check(f *schoolbell.Faults) {
	for _, c := range []struct {
		name  string
		value Keep
		least time.Duration
	}{
		{"RETAIN_EVENTS", r.Events, schoolbell.MinRetention},
		{"RETAIN_DELIVERIES", r.Deliveries, schoolbell.MinRetention},
		{"RETAIN_INBOX", r.Inbox, schoolbell.MinRetention},
		{"RETAIN_RECEIPTS", r.Receipts, schoolbell.MinRetention},
		{"RETAIN_AUDIT", r.Audit, schoolbell.MinRetention},
		{"RETAIN_IDEMPOTENCY", r.Idempotency, schoolbell.MinIdempotencyRetention},
	} {
		if d := c.value.Duration(); d != 0 && (d < c.least || d > schoolbell.MaxRetention) {
			f.Add(c.name, "must be between %s and %s, or forever", show(c.least), Keep(schoolbell.MaxRetention))
		}
	}
}
