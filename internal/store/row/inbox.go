package row

import (
	"fmt"

	"schoolbell"
)

// Translate gives an item the text of its event in the reader's language, if there is one. texts are those of the
// event as its row has them.
func Translate(it *schoolbell.InboxItem, texts, locale string) error {
	if texts == "" {
		return nil
	}
	ev := schoolbell.Event{ID: it.EventID, Title: it.Title, Body: it.Body, Location: it.Location}
	if err := (EventText{Audience: "{}", Texts: texts}).Read(&ev); err != nil {
		return fmt.Errorf("inbox: %w", err)
	}
	text, language := ev.In(locale)
	it.Title, it.Body, it.Location, it.Language = text.Title, text.Body, text.Location, language
	return nil
}

// Shared lets the items of one event in many inboxes hold its texts once for each language: the
// database returns them with each row.
type Shared map[sharedText]schoolbell.InboxItem

type sharedText struct{ eventID, language string }

// Item returns it with the texts of the first item of the same event.
func (s Shared) Item(it schoolbell.InboxItem) schoolbell.InboxItem {
	key := sharedText{it.EventID, it.Language}
	first, ok := s[key]
	if !ok {
		s[key] = it
		return it
	}
	it.EventID, it.Title, it.Body, it.Category, it.Data, it.Location = first.EventID, first.Title, first.Body, first.Category, first.Data, first.Location
	return it
}
