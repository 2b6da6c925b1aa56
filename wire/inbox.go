package wire

import (
	"encoding/json"

	"schoolbell"
)

// InboxItem is one event in a user's inbox.
type InboxItem struct {
	Position  int64               `json:"position" doc:"Increases with each new item; the id of the item in the live stream."`
	EventID   string              `json:"event_id"`
	Title     string              `json:"title"`
	Body      string              `json:"body"`
	Category  schoolbell.Category `json:"category"`
	Data      json.RawMessage     `json:"data,omitempty"`
	Location  string              `json:"location,omitempty"`
	Language  string              `json:"language,omitempty" doc:"Language of title, body and location if the event has a text in the user's language."`
	StartsAt  Time                `json:"starts_at,omitzero"`
	EndsAt    Time                `json:"ends_at,omitzero"`
	ArrivedAt Time                `json:"arrived_at"`
	ReadAt    Time                `json:"read_at,omitzero" doc:"Missing while the item is unread."`
	AckedAt   Time                `json:"acknowledged_at,omitzero" doc:"Missing until the user acknowledges the event."`
	Cancelled bool                `json:"cancelled,omitempty" doc:"Whether the event was cancelled after the item arrived."`
}

// InboxItemOf shows it.
func InboxItemOf(it schoolbell.InboxItem) InboxItem {
	return InboxItem{Position: it.Position, EventID: it.EventID, Title: it.Title, Body: it.Body, Category: it.Category,
		Data: it.Data, Location: it.Location, Language: it.Language, StartsAt: At(it.StartsAt), EndsAt: At(it.EndsAt),
		ArrivedAt: At(it.ArrivedAt), ReadAt: At(it.ReadAt), AckedAt: At(it.AckedAt), Cancelled: it.Cancelled}
}

// InboxPage is one page of an inbox, newest first.
type InboxPage struct {
	Items  []InboxItem `json:"items"`
	Unread int         `json:"unread" doc:"Number of unread items in the whole inbox."`
	Next   string      `json:"next,omitempty" doc:"Cursor of the next page. The last page has none."`
}

// ReadInbox asks for items to be marked read.
type ReadInbox struct {
	UpTo int64 `json:"up_to,omitempty" minimum:"0" doc:"Position of the last item to mark. All items if left out."`
}

// Unread says how many items of an inbox are unread.
type Unread struct {
	Unread int `json:"unread" doc:"Number of unread items."`
}
