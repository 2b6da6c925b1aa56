package preview

import (
	"context"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/wire"
)

// Pipeline is what previews need of the use cases of events.
type Pipeline interface {
	// Preview checks ev as Create does, and gives visitor its audience with what would become of it.
	Preview(ctx context.Context, ev *schoolbell.Event, visitor ledger.PreviewVisitor) error

	// Quiet returns what tells how long a message of ev waits for the end of a recipient's quiet hours.
	Quiet(ev *schoolbell.Event) func(to ledger.Recipient) time.Duration

	// Forecasts tells how long so many units of messages of ev take on the channels that have a quota.
	Forecasts(ctx context.Context, ev *schoolbell.Event, units map[schoolbell.Channel]int) (map[schoolbell.Channel]ledger.ChannelForecast, error)
}

// Stored knows what stored events say of single people.
type Stored interface {
	// PersonalData returns the data that an event has of people.
	PersonalData(ctx context.Context, eventID string) ([]schoolbell.PersonData, error)
}

// Renderer makes messages as workers do.
type Renderer interface {
	Render(ev *schoolbell.Event, ch schoolbell.Channel, to ledger.Recipient) (schoolbell.Message, error)

	// Variant names the text of the message of a recipient: all with the same variant get the same text, unless personal is
	// true. A variant can be compared and is the key of a map.
	Variant(ev *schoolbell.Event, ch schoolbell.Channel, to ledger.Recipient) (variant any, personal bool, err error)

	// TemplateOf returns the template of the message of a recipient, and its version, which is 0 for the standard template.
	TemplateOf(ev *schoolbell.Event, ch schoolbell.Channel, to ledger.Recipient) (name schoolbell.TemplateKey, version int64)
}

// People finds users.
type People interface {
	User(ctx context.Context, id string) (*schoolbell.User, error)
}

// Config says what a Service works with. All is required but SMS.
type Config struct {
	Pipeline Pipeline
	Stored   Stored
	Renderer Renderer
	Link     func(eventID string, to ledger.Recipient) string // of a message, as the renderer has it
	People   People
	School   func() schoolbell.SchoolSettings // as they are now
	SMS      SMS

	Households bool // people with one address get one message if theirs read the same
}

// SMS says how text messages are counted.
type SMS struct {
	MaxSegments int     // of a message
	Price       float64 // of a segment; 0 if it is not known
	Currency    string
}

// Options choose whose messages are shown.
type Options struct {
	User   string // id; empty for somebody of the audience
	Locale string // BCP 47, in place of the person's; empty for theirs
}

// Service previews events. It is safe for concurrent use.
type Service struct {
	cfg   Config
	slots chan struct{} // holds a token for each preview that runs
}

// atOnce is how many previews run at the same time; further ones wait. Each takes a processor, and work that sends goes first.
const atOnce = 2

// New returns a Service.
func New(cfg Config) *Service { return &Service{cfg: cfg, slots: make(chan struct{}, atOnce)} }

// Preview tells what would happen if ev were created now. What is wrong with ev are the faults of Create; a user who is not
// there is a CodeInvalid fault of "user", and a locale that is none of "locale".
func (s *Service) Preview(ctx context.Context, ev *schoolbell.Event, o Options) (*wire.EventPreview, error) {
	chosen, err := s.chosen(ctx, o)
	if err != nil {
		return nil, err
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	t := newTally(s.cfg, o.Locale, chosen)
	if err := s.cfg.Pipeline.Preview(ctx, ev, t); err != nil {
		return nil, err
	}
	out, err := t.result()
	if err != nil {
		return nil, err
	}
	return out, s.finish(ctx, t.ev, out)
}

// PreviewStored tells what would happen if a stored event, of which nothing was sent yet, were sent at its time to the people who are
// in its audience now. Its errors are those of Preview.
func (s *Service) PreviewStored(ctx context.Context, ev *schoolbell.Event, o Options) (*wire.EventPreview, error) {
	again := *ev
	if ev.PersonalCount > 0 {
		data, err := s.cfg.Stored.PersonalData(ctx, ev.ID)
		if err != nil {
			return nil, err
		}
		again.Personal, again.PersonalCount = data, 0
	}
	return s.Preview(ctx, &again, o)
}

// chosen returns the person whose messages are shown, nil for somebody of the audience.
func (s *Service) chosen(ctx context.Context, o Options) (*ledger.Recipient, error) {
	if o.Locale != "" {
		if err := schoolbell.ValidateLanguage(o.Locale); err != nil {
			return nil, schoolbell.Invalid("locale", "%v", err)
		}
	}
	if o.User == "" {
		return nil, nil
	}
	u, err := s.cfg.People.User(ctx, o.User)
	if schoolbell.CodeOf(err) == schoolbell.CodeNotFound {
		return nil, schoolbell.Invalid("user", "there is no such user")
	}
	if err != nil {
		return nil, err
	}
	return &ledger.Recipient{UserID: u.ID, Name: u.Name, Locale: u.Locale, Timezone: u.Timezone}, nil
}
