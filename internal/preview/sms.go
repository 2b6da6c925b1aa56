package preview

import (
	"maps"
	"math"
	"slices"

	"schoolbell"
	"schoolbell/internal/channel/sms"
	"schoolbell/internal/ledger"
	"schoolbell/wire"
)

// maxWritten is how many text messages are written of those that differ from person to person.
const maxWritten = 50_000

// textMessages counts the segments of text messages. A text that several people share is written once.
type textMessages struct {
	cfg     Config
	ev      *schoolbell.Event
	shared  map[any]sharedText // by variant
	lengths map[int]int        // messages by their segments
	written int                // that differ from person to person
	skipped int                // that are too many to be written
}

// sharedText is a text message that several people share.
type sharedText struct {
	segments int
	link     string // with which it was cut; empty if it is not cut, so that its link takes no segment
}

func newTextMessages(cfg Config, ev *schoolbell.Event) textMessages {
	return textMessages{cfg: cfg, ev: ev, shared: map[any]sharedText{}, lengths: map[int]int{}}
}

// add counts the message of a recipient. One that cannot be written, which then fails, takes nothing.
func (t *textMessages) add(to ledger.Recipient) {
	to = to.Unlinked()
	variant, personal, err := t.cfg.Renderer.Variant(t.ev, schoolbell.ChannelSMS, to)
	if err != nil {
		t.lengths[0]++
		return
	}
	text, known := t.shared[variant]
	switch {
	case personal:
		t.addPersonal(to)
		return
	case !known:
		text = t.write(to)
		t.shared[variant] = text
	case text.link != "" && text.link != t.cfg.Link(t.ev.ID, to):
		t.addPersonal(to)
		return
	}
	t.lengths[text.segments]++
}

// addPersonal counts a message that differs from others.
func (t *textMessages) addPersonal(to ledger.Recipient) {
	if t.written == maxWritten {
		t.skipped++
		return
	}
	t.written++
	t.lengths[t.write(to).segments]++
}

// write returns what the message of a recipient takes.
func (t *textMessages) write(to ledger.Recipient) sharedText {
	m, err := t.cfg.Renderer.Render(t.ev, schoolbell.ChannelSMS, to)
	if err != nil {
		return sharedText{}
	}
	text := sharedText{segments: t.cfg.SMS.segmentsOf(m)}
	if whole, _ := sms.Segments(sms.Fold(m.Text.String())); whole > t.cfg.SMS.MaxSegments {
		text.link = m.Link
	}
	return text
}

// segmentsOf returns how many segments a text message takes as it is sent.
func (s SMS) segmentsOf(m schoolbell.Message) int {
	n, _ := sms.Segments(s.textOf(m))
	return n
}

// textOf returns a text message as it is sent.
func (s SMS) textOf(m schoolbell.Message) string {
	return sms.Fit(m.Text.String(), m.Link, s.MaxSegments)
}

func (t *textMessages) result() *wire.PreviewedSMS {
	out := &wire.PreviewedSMS{Lengths: []wire.PreviewedSegments{}, Estimated: t.skipped > 0}
	counted := 0
	for _, n := range slices.Sorted(maps.Keys(t.lengths)) {
		counted += t.lengths[n]
		out.Segments += n * t.lengths[n]
		out.Lengths = append(out.Lengths, wire.PreviewedSegments{Segments: n, Messages: t.lengths[n]})
	}
	if t.skipped > 0 {
		out.Segments += int(math.Round(float64(t.skipped) * float64(out.Segments) / float64(counted)))
	}
	out.Amount, out.Currency = wire.AmountOf(out.Segments, t.cfg.SMS.Price, t.cfg.SMS.Currency)
	return out
}
