package inbox

import (
	"cmp"
	"context"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/personal"
)

// personalStore is a Store that returns titles and bodies as each person reads them.
type personalStore struct {
	Store
	language func() string // the school's, BCP 47
}

// newPersonalStore returns a store whose texts are in the given language unless they say another.
func newPersonalStore(s Store, language func() string) Store {
	if language == nil {
		language = func() string { return "" }
	}
	return personalStore{s, language}
}

// Inbox implements Store.
func (s personalStore) Inbox(ctx context.Context, userID string, before int64, limit int) ([]schoolbell.InboxItem, int, error) {
	items, unread, err := s.Store.Inbox(ctx, userID, before, limit)
	s.fill(items)
	return items, unread, err
}

// InboxSince implements Store.
func (s personalStore) InboxSince(ctx context.Context, users []ledger.UserRef, after int64, limit int) (map[ledger.UserRef][]schoolbell.InboxItem, error) {
	found, err := s.Store.InboxSince(ctx, users, after, limit)
	for _, items := range found {
		s.fill(items)
	}
	return found, err
}

// Message implements Store.
func (s personalStore) Message(ctx context.Context, eventID string, user int64) (ledger.PersonalMessage, error) {
	m, err := s.Store.Message(ctx, eventID, user)
	if err != nil || m.Personal == nil {
		return m, err
	}
	fillEvent(m.Event, s.language(), m.Personal)
	return m, nil
}

// fillEvent fills in the names in the texts of an event, whose own text is in the given language.
func fillEvent(ev *schoolbell.Event, language string, p *schoolbell.PersonalText) {
	ev.Title, ev.Body = personal.Filled(ev.Title, ev.Body, language, p)
	for tag, text := range ev.Texts {
		text.Title, text.Body = personal.Filled(text.Title, text.Body, tag, p)
		ev.Texts[tag] = text
	}
}

// fill fills in the names in titles and bodies of items.
func (s personalStore) fill(items []schoolbell.InboxItem) {
	for i := range items {
		if it := &items[i]; it.Personal != nil {
			it.Title, it.Body = personal.Filled(it.Title, it.Body, cmp.Or(it.Language, s.language()), it.Personal)
		}
	}
}
