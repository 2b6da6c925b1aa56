package preview

import (
	"cmp"
	"slices"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/wire"
)

// maxExamples is how many people are named for each reason.
const maxExamples = 5

// tally counts what a preview finds. It is a ledger.PreviewVisitor, for one goroutine.
type tally struct {
	cfg    Config
	locale string            // of the messages that are shown; empty for those of the people
	chosen *ledger.Recipient // whose messages are shown; nil for somebody of the audience

	ev        *schoolbell.Event
	people    int
	leftOut   int // of every channel
	channels  []*channelTally
	languages languages
	texts     textMessages
	shared    households
	reached   []bool // of the people of a chunk: on any channel
	sent      []bool // the same, on any channel but the inbox
	chosenAt  int    // index of the chosen person in a chunk; negative if they are not in it
	quiet     func(to ledger.Recipient) time.Duration
	held      int           // people who have quiet hours
	heldFor   time.Duration // until the last of them are over
}

// channelTally counts what one channel would carry.
type channelTally struct {
	name     schoolbell.Channel
	messages int
	chosen   string // why the chosen person gets no message, empty if they get one
	reasons  []*wire.PreviewedReason
	first    *ledger.Recipient // somebody who gets a message; nil for nobody
}

func newTally(cfg Config, locale string, chosen *ledger.Recipient) *tally {
	return &tally{cfg: cfg, locale: locale, chosen: chosen}
}

// Begin implements ledger.PreviewVisitor.
func (t *tally) Begin(ev *schoolbell.Event) error {
	t.ev = ev
	for _, ch := range ev.Channels {
		t.channels = append(t.channels, &channelTally{name: ch, chosen: schoolbell.ReasonNotInAudience})
	}
	t.languages = newLanguages(ev, t.cfg.School().Language)
	t.texts = newTextMessages(t.cfg, ev)
	t.shared = households{}
	t.quiet = t.cfg.Pipeline.Quiet(ev)
	return nil
}

// recognize notes where the person is whose messages are shown, if they are among people, and what the event says of them.
func (t *tally) recognize(people []ledger.Recipient) {
	t.chosenAt = -1
	if t.chosen == nil {
		return
	}
	t.chosenAt = slices.IndexFunc(people, func(p ledger.Recipient) bool { return p.UserID == t.chosen.UserID })
	if t.chosenAt >= 0 {
		t.chosen.Personal = people[t.chosenAt].Personal
	}
}

// Visit implements ledger.PreviewVisitor.
func (t *tally) Visit(chunk ledger.PreviewChunk) error {
	t.reached = append(t.reached[:0], make([]bool, len(chunk.People))...)
	t.sent = append(t.sent[:0], make([]bool, len(chunk.People))...)
	t.recognize(chunk.People)
	if t.cfg.Households {
		t.mergeHouseholds(&chunk)
	}
	for _, g := range chunk.Groups {
		t.addGroup(g, chunk.People)
	}
	t.people += len(chunk.People)
	for i, to := range chunk.People {
		if !t.reached[i] {
			t.leftOut++
			continue
		}
		t.languages.add(to.Locale)
		if t.sent[i] {
			t.hold(t.quiet(to))
		}
	}
	return nil
}

// addGroup counts deliveries of one channel.
func (t *tally) addGroup(g ledger.PreviewGroup, people []ledger.Recipient) {
	c := t.channel(g.Channel)
	if slices.Contains(g.People, t.chosenAt) {
		c.chosen = reasonOf(g)
	}
	if !gets(g.Status) {
		c.leaveOut(g, people)
		if g.Reason == schoolbell.ReasonInDigest || g.Reason == schoolbell.ReasonSameAddress { // they read it in a digest, or at the address of the household
			for _, i := range g.People {
				t.reached[i] = true
			}
		}
		return
	}
	c.messages += len(g.People)
	if c.first == nil && len(g.People) > 0 {
		c.first = &people[g.People[0]]
	}
	for _, i := range g.People {
		t.reached[i] = true
		t.sent[i] = t.sent[i] || g.Status == schoolbell.DeliveryPending
		if g.Channel == schoolbell.ChannelSMS {
			t.texts.add(people[i])
		}
	}
}

// hold counts a person whose messages wait for a time, 0 for not at all.
func (t *tally) hold(wait time.Duration) {
	if wait > 0 {
		t.held, t.heldFor = t.held+1, max(t.heldFor, wait)
	}
}

// gets reports whether deliveries that begin with a status become messages.
func gets(status schoolbell.DeliveryStatus) bool {
	return status == schoolbell.DeliveryPending || status == schoolbell.DeliverySent
}

// reasonOf is why people of a group get no message, empty if they get one.
func reasonOf(g ledger.PreviewGroup) string {
	if gets(g.Status) {
		return ""
	}
	return cmp.Or(g.Reason, string(g.Status))
}

func (t *tally) channel(name schoolbell.Channel) *channelTally {
	return t.channels[slices.IndexFunc(t.channels, func(c *channelTally) bool { return c.name == name })]
}

// leaveOut counts people who get no message.
func (c *channelTally) leaveOut(g ledger.PreviewGroup, people []ledger.Recipient) {
	reason := reasonOf(g)
	i := slices.IndexFunc(c.reasons, func(r *wire.PreviewedReason) bool { return r.Reason == reason })
	if i < 0 {
		i = len(c.reasons)
		c.reasons = append(c.reasons, &wire.PreviewedReason{Reason: reason, Examples: []wire.PersonName{}})
	}
	r := c.reasons[i]
	r.People += len(g.People)
	for _, p := range g.People[:min(len(g.People), maxExamples-len(r.Examples))] {
		r.Examples = append(r.Examples, wire.PersonName{ID: people[p].UserID, Name: people[p].Name})
	}
}

// result returns what was found.
func (t *tally) result() (*wire.EventPreview, error) {
	out := &wire.EventPreview{Category: t.ev.Category, Lane: t.ev.Lane, People: t.people, LeftOut: t.leftOut,
		Channels: []wire.PreviewedChannel{}, Languages: t.languages.result(), Shown: []wire.PreviewedMessage{}}
	if t.held > 0 {
		out.Held = &wire.PreviewedHeld{People: t.held, Until: wire.At(startOf(t.ev).Add(t.heldFor))}
	}
	for _, c := range t.channels {
		out.Messages += c.messages
		out.Channels = append(out.Channels, c.result())
		m, err := t.show(c)
		if err != nil {
			return nil, err
		}
		if m != nil {
			out.Shown = append(out.Shown, *m)
		}
		if c.name == schoolbell.ChannelSMS {
			out.SMS = t.texts.result()
		}
	}
	return out, nil
}

func (c *channelTally) result() wire.PreviewedChannel {
	out := wire.PreviewedChannel{Channel: c.name, Messages: c.messages, Reasons: []wire.PreviewedReason{}}
	slices.SortStableFunc(c.reasons, func(a, b *wire.PreviewedReason) int {
		return cmp.Or(cmp.Compare(b.People, a.People), cmp.Compare(a.Reason, b.Reason))
	})
	for _, r := range c.reasons {
		out.LeftOut += r.People
		out.Reasons = append(out.Reasons, *r)
	}
	return out
}
