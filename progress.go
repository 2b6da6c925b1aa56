package schoolbell

// ChannelProgress counts the deliveries of one event on one channel, from the rows themselves.
type ChannelProgress struct {
	Total      int `json:"total"`
	Pending    int `json:"pending"` // pending and sending
	Sent       int `json:"sent"`    // sent and delivered
	Failed     int `json:"failed"`
	Suppressed int `json:"suppressed"`
	Uncertain  int `json:"uncertain"`
	Cancelled  int `json:"cancelled"`
	Expired    int `json:"expired"`
}

// Add counts n deliveries of status s.
func (p *ChannelProgress) Add(s DeliveryStatus, n int) {
	p.Total += n
	switch s {
	case DeliveryPending, DeliverySending:
		p.Pending += n
	case DeliverySent, DeliveryDelivered:
		p.Sent += n
	case DeliveryFailed:
		p.Failed += n
	case DeliverySuppressed:
		p.Suppressed += n
	case DeliveryUncertain:
		p.Uncertain += n
	case DeliveryCancelled:
		p.Cancelled += n
	case DeliveryExpired:
		p.Expired += n
	}
}

// Progress says how far an event is.
type Progress struct {
	Percent  int                         `json:"percent"` // 0 to 100; 100 only when every delivery is terminal and the audience is walked
	Total    int                         `json:"total"`   // deliveries that exist so far
	Done     int                         `json:"done"`    // of these, terminal ones
	Channels map[Channel]ChannelProgress `json:"channels"`
}

// NewProgress sums channels up. walked says whether the whole audience has its
// deliveries; until then the percentage stays below 100.
func NewProgress(channels map[Channel]ChannelProgress, walked bool) Progress {
	p := Progress{Channels: channels}
	for _, c := range channels {
		p.Total += c.Total
		p.Done += c.Total - c.Pending
	}
	switch {
	case p.Total > 0:
		p.Percent = p.Done * 100 / p.Total
	case walked:
		p.Percent = 100
	}
	if !walked && p.Percent > 99 {
		p.Percent = 99
	}
	return p
}
