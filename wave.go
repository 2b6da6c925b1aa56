package schoolbell

import (
	"fmt"
	"time"
)

// Wave is one walk of an event over its audience. Wave 0 is the event itself; further ones
// tell those again who have not read or acknowledged it, or tell those who have it of a change.
type Wave struct {
	Number   int       `json:"number"` // from 1 for further waves
	Channels []Channel `json:"channels"`
	StartsAt time.Time `json:"starts_at"`
	OnlyIf   OnlyIf    `json:"only_if,omitempty"`
	Notice   Notice    `json:"notice,omitempty"`
}

// Notice is what a wave tells the people whom an event has reached before. Only the ledger makes such waves.
type Notice string

// The notices.
const (
	NoticeChanged   Notice = "changed"
	NoticeCancelled Notice = "cancelled"
)

// OnlyIf narrows a wave to some of the people whom the event concerns.
type OnlyIf string

// The conditions of a wave. Without one, it goes to everyone.
const (
	OnlyIfUnread         OnlyIf = "unread"         // who has not read the event in the inbox
	OnlyIfUnacknowledged OnlyIf = "unacknowledged" // who has not acknowledged it
)

// MaxWaves is how many waves an event may have, the event itself included.
const MaxWaves = 10

// Validate reports everything that is wrong with w as [Faults].
func (w *Wave) Validate() error {
	var f Faults
	checkChannels(&f, "channels", w.Channels)
	for i, c := range w.Channels {
		if c == ChannelInApp {
			f.Add(fmt.Sprintf("channels[%d]", i), "the event itself has filled the inbox")
		}
	}
	checkTime(&f, "starts_at", w.StartsAt)
	if w.OnlyIf != "" && w.OnlyIf != OnlyIfUnread && w.OnlyIf != OnlyIfUnacknowledged {
		f.Add("only_if", "must be %s or %s", OnlyIfUnread, OnlyIfUnacknowledged)
	}
	return f.Err()
}

// NoticeChannels returns the channels on which people are told that e was changed or cancelled: those of e except the
// inbox, which shows the change itself.
func (e *Event) NoticeChannels() (channels []Channel) {
	for _, c := range e.Channels {
		if c != ChannelInApp {
			channels = append(channels, c)
		}
	}
	return channels
}
