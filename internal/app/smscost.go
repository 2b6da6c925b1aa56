package app

import (
	"schoolbell"
	"schoolbell/internal/channel/sms"
	"schoolbell/internal/ledger"
	"schoolbell/internal/render"
)

// smsCost returns what estimates the cost of an event by text message; nil if there are none. The message of each
// recipient is taken to have as many segments as that of a person who reads the language of the school.
func (r *Runtime) smsCost(renderer *render.Renderer) func(ev *schoolbell.Event) (segments int, price float64, currency string) {
	if !r.Config.SMS.SetUp() {
		return nil
	}
	price, currency := r.Config.SMS.PriceOf()
	return func(ev *schoolbell.Event) (int, float64, string) {
		m, err := renderer.Render(ev, schoolbell.ChannelSMS, ledger.Recipient{Seq: 1})
		if err != nil {
			return 0, price, currency // there is no such message either
		}
		n, _ := sms.Segments(sms.Fit(m.Text.String(), m.Link, r.Config.SMS.MaxSegments))
		return n, price, currency
	}
}
