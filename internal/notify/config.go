package notify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// Config are the settings of a pipeline. Every process on one ledger and one
// Redis uses the same Prefix and QueueName.
type Config struct {
	Prefix    string // of every Redis key; "bull" when empty
	QueueName string // "event-notifications" when empty

	// DecodeEvent decodes events that other programs ask for by adding jobs. Nil means that they may not.
	DecodeEvent DecodeEvent

	Channels []schoolbell.Channel // over which events may go; in_app is always among them

	BatchSize    int           // deliveries a job works; 100 when 0
	InPlace      int           // deliveries of a channel that an event's own job sends if they are all of the event; none when 0
	Retries      int           // further attempts after the first; none when 0
	Backoff      time.Duration // base b of the waits b, 5b, 25b … between attempts; 5 s when 0
	Concurrency  int           // jobs at once, for each queue of this process; 5 when 0
	UrgentShare  int           // percent of Concurrency that normal work leaves to urgent work, 0 to schoolbell.MaxUrgentShare
	RateMax      int           // event jobs of the normal lane started per RateDuration over all workers; no limit when 0
	RateDuration time.Duration
	Quotas       map[schoolbell.Channel]ledger.Quota // of channels, over all workers; none for those that are missing

	// ProviderQuotas tell what the provider of a channel allows now: messages in a second and in 24 hours, each 0 for no
	// limit. The smaller of this and of Quotas applies.
	ProviderQuotas map[schoolbell.Channel]func(ctx context.Context) (rate float64, daily int)

	Households  bool                                 // send people with one address one message if theirs read the same
	Holds       map[schoolbell.Channel]time.Duration // how long rows await a receipt that the provider may have accepted, where it sends receipts
	ReceiptPoll time.Duration                        // how often a job looks for them; 15 s when 0

	School func() schoolbell.SchoolSettings // the settings of the school as they are now; those of a new school when nil
	Now    func() time.Time                 // the time by which quiet hours and digests are decided; time.Now when nil

	DigestPoll time.Duration // between two looks for windows of digests that have closed; a minute when 0

	KeepCompleted time.Duration // how long completed jobs stay visible; removed at once when 0
	KeepFailed    time.Duration // how long failed jobs stay visible; removed at once when 0

	Ahead time.Duration // how long before its start a scheduled event gets its job; a minute when 0. Longer than two Rounds
	Round time.Duration // between two comparisons of the queue with the ledger; half a minute when 0

	Grace      time.Duration // how long a stop may take; 20 s when 0
	WorkerName string        // names this process in worker lists and leases
}

// SmallEvent is a good Config.InPlace: so few deliveries are one claim, and soon sent.
const SmallEvent = 25

const (
	defaultQueueName = "event-notifications"

	// claimSize is how many rows a job claims and sends at a time. It records their outcomes when it
	// claims the next ones, so a crash leaves at most so many rows of each job uncertain. Each transaction
	// of a job costs PostgreSQL about as much as 20 rows, so smaller claims are slower.
	claimSize = 50

	// A fan-out starts with a small chunk so that the first messages leave soon. Later
	// ones are large enough to be cheap, and small enough that on SQLite, where one
	// transaction writes at a time, a request waits for one of them a few milliseconds.
	firstChunk = 500
	chunkSize  = 2_000

	// A worker that dies is noticed after at most leaseTTL by the ledger, and after
	// at most lockDuration plus two checks by the queue: within 20 seconds.
	leaseTTL        = 10 * time.Second
	lockDuration    = 10 * time.Second
	stalledInterval = 5 * time.Second

	// An idle worker is woken by a marker in Redis. drainDelay is how long jobs wait if that is lost.
	drainDelay = 15 * time.Second
)

func (c Config) withDefaults() Config {
	setDefault(&c.QueueName, defaultQueueName)
	setDefault(&c.BatchSize, 100)
	setDefault(&c.Backoff, 5*time.Second)
	setDefault(&c.Concurrency, 5)
	setDefault(&c.Ahead, time.Minute)
	setDefault(&c.Round, 30*time.Second)
	setDefault(&c.DigestPoll, time.Minute)
	setDefault(&c.Grace, 20*time.Second)
	setDefault(&c.WorkerName, "schoolbell")
	setDefault(&c.ReceiptPoll, 15*time.Second)
	if c.School == nil {
		c.School = schoolbell.DefaultSchoolSettings
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if !slices.Contains(c.Channels, schoolbell.ChannelInApp) {
		c.Channels = append([]schoolbell.Channel{schoolbell.ChannelInApp}, c.Channels...)
	}
	return c
}

// hold is how long a row of an event on a channel awaits a receipt, 0 for not at all. It does not wait longer than the event.
func (c Config) hold(ev *schoolbell.Event, channel schoolbell.Channel) time.Duration {
	hold := c.Holds[channel]
	if hold > 0 && !ev.ExpiresAt.IsZero() {
		hold = max(min(hold, time.Until(ev.ExpiresAt)), time.Millisecond)
	}
	return hold
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// slots returns how many jobs a queue of the lane runs at once in this process.
func (c Config) slots(lane schoolbell.Lane) int {
	if lane == schoolbell.LaneUrgent {
		return c.Concurrency
	}
	return schoolbell.NormalSlots(c.Concurrency, c.UrgentShare)
}

// eventSlots returns how many event jobs of the lane run at once in this process. Most of them wait, for the
// ledger or for a provider. One slot stays one: events are then worked one after the other.
func (c Config) eventSlots(lane schoolbell.Lane) int {
	if n := c.slots(lane); n > 1 {
		return 4 * n
	}
	return 1
}

func (c Config) validate() error {
	switch {
	case c.BatchSize < 1:
		return fmt.Errorf("batch size %d is below 1", c.BatchSize)
	case c.Retries < 0:
		return fmt.Errorf("%d retries are below 0", c.Retries)
	case c.Concurrency < 1:
		return fmt.Errorf("concurrency %d is below 1", c.Concurrency)
	case c.UrgentShare < 0 || c.UrgentShare > schoolbell.MaxUrgentShare:
		return fmt.Errorf("urgent share of %d percent is not within 0 and %d", c.UrgentShare, schoolbell.MaxUrgentShare)
	case c.RateMax > 0 && c.RateDuration <= 0:
		return fmt.Errorf("a rate limit needs a duration")
	}
	for ch, q := range c.Quotas {
		if q.Rate < 0 || q.Daily < 0 || q.Monthly < 0 || q.PerMessage < 0 || q.UrgentShare < 0 || q.UrgentShare > schoolbell.MaxUrgentShare {
			return fmt.Errorf("quota of channel %s: %+v is not valid", ch, q)
		}
	}
	return nil
}
