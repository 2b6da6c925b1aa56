package schoolbell

// ChannelProgress counts the deliveries of one wave of an event on one channel. Total is the
// sum of the statuses. Outcomes are counted within Sent and Uncertain, not added to them.
type ChannelProgress struct {
	Total      int `json:"total"`
	Pending    int `json:"pending"` // pending and sending
	Sent       int `json:"sent"`
	Failed     int `json:"failed"`
	Suppressed int `json:"suppressed"`
	Uncertain  int `json:"uncertain"`
	Cancelled  int `json:"cancelled"`
	Expired    int `json:"expired"`

	Delivered    int `json:"delivered,omitempty"`
	Bounced      int `json:"bounced,omitempty"`
	Complained   int `json:"complained,omitempty"`
	Read         int `json:"read,omitempty"`
	Acknowledged int `json:"acknowledged,omitempty"`
}

// Add counts n deliveries of status s and outcome o, which may be empty. The outcome counts once the
// delivery is sent or uncertain.
func (p *ChannelProgress) Add(s DeliveryStatus, o Outcome, n int) {
	p.Total += n
	switch s {
	case DeliveryPending, DeliverySending:
		p.Pending += n
	case DeliverySent:
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
	if s != DeliverySent && s != DeliveryUncertain {
		return
	}
	switch o {
	case OutcomeDelivered:
		p.Delivered += n
	case OutcomeBounced:
		p.Bounced += n
	case OutcomeComplained:
		p.Complained += n
	case OutcomeRead:
		p.Read += n
	case OutcomeAcknowledged:
		p.Acknowledged += n
	}
}

// Progress says how far an event is.
type Progress struct {
	Percent  int                         `json:"percent"`  // 0 to 100; 100 only when every delivery is terminal and the audience is walked
	Total    int                         `json:"total"`    // deliveries that exist so far, of all waves
	Done     int                         `json:"done"`     // of these, terminal ones
	Channels map[Channel]ChannelProgress `json:"channels"` // of the event itself, wave 0

	// Waves are the further waves that have started, by number.
	Waves map[int]WaveProgress `json:"waves,omitempty"`
}

// WaveProgress counts the deliveries of a further wave.
type WaveProgress struct {
	Channels map[Channel]ChannelProgress `json:"channels"`
}

// NewProgress sums up the waves, by number. walked says whether the audience of every started
// wave has its deliveries; until then the percentage stays below 100.
func NewProgress(waves map[int]map[Channel]ChannelProgress, walked bool) Progress {
	p := Progress{Channels: waves[0]}
	if p.Channels == nil {
		p.Channels = map[Channel]ChannelProgress{}
	}
	for n, channels := range waves {
		for _, c := range channels {
			p.Total += c.Total
			p.Done += c.Total - c.Pending
		}
		if n > 0 {
			if p.Waves == nil {
				p.Waves = map[int]WaveProgress{}
			}
			p.Waves[n] = WaveProgress{channels}
		}
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
