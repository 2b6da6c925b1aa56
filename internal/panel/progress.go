package panel

import (
	"schoolbell"
	"schoolbell/internal/panel/chart"
	"schoolbell/internal/panel/site"
)

// newBar returns the bar of counted deliveries.
func newBar(p schoolbell.ChannelProgress) chart.Bar { return chart.NewBar(p, site.Number) }

// sumProgress adds the counts of channels.
func sumProgress(channels map[schoolbell.Channel]schoolbell.ChannelProgress) (sum schoolbell.ChannelProgress) {
	for _, p := range channels {
		sum.Total += p.Total
		sum.Pending += p.Pending
		sum.Sent += p.Sent
		sum.Failed += p.Failed
		sum.Suppressed += p.Suppressed
		sum.Uncertain += p.Uncertain
		sum.Cancelled += p.Cancelled
		sum.Expired += p.Expired
		sum.Delivered += p.Delivered
		sum.Bounced += p.Bounced
		sum.Complained += p.Complained
		sum.Read += p.Read
		sum.Acknowledged += p.Acknowledged
	}
	return sum
}
