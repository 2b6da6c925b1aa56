package render

import (
	"schoolbell"
	"schoolbell/internal/ledger"
)

// Variant names the text of the message of a recipient: all recipients of the event with the same variant on the channel get the
// same text, unless personal is true. A variant can be compared, and is the key of a map.
func (r *Renderer) Variant(ev *schoolbell.Event, ch schoolbell.Channel, to ledger.Recipient) (variant any, personal bool, err error) {
	school := schoolOf(r.settings())
	key := r.key(ev, ch, to, school, tagFor(ev, to, school))
	p, err := r.shared(ev, school, key)
	if err != nil {
		return nil, false, err
	}
	return key, p.subject.personal() || p.text.personal() || p.html.personal(), nil
}

// TemplateOf returns the template that the message of a recipient is made from: its name, and its version, which is 0 for the
// standard template.
func (r *Renderer) TemplateOf(ev *schoolbell.Event, ch schoolbell.Channel, to ledger.Recipient) (name schoolbell.TemplateKey, version int64) {
	school := schoolOf(r.settings())
	key := r.key(ev, ch, to, school, tagFor(ev, to, school))
	if key.own != nil {
		return key.own.TemplateKey, key.own.Version
	}
	return schoolbell.TemplateKey{Category: ev.Category, Channel: ch, Locale: key.language.Tag}, 0
}

// personal reports whether the text has places that differ between recipients.
func (p *part) personal() bool { return p != nil && len(p.shared.Pieces) > 1 }
