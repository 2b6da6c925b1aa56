package row

import "schoolbell"

// Shared lets the items of one event in many inboxes hold its texts once: the
// database returns them with each row.
type Shared map[string]schoolbell.InboxItem

// Item returns it with the texts of the first item of the same event.
func (s Shared) Item(it schoolbell.InboxItem) schoolbell.InboxItem {
	first, ok := s[it.EventID]
	if !ok {
		s[it.EventID] = it
		return it
	}
	it.EventID, it.Title, it.Body, it.Category, it.Data, it.Location = first.EventID, first.Title, first.Body, first.Category, first.Data, first.Location
	return it
}
