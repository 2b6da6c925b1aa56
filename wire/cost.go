package wire

import (
	"math"

	"schoolbell"
)

// Costs are estimated from the text of an event and the number of its deliveries.
type Costs struct {
	SMS *SMSCost `json:"sms,omitempty"`
}

// SMSCost is what an event takes by text message.
type SMSCost struct {
	SegmentsEach int     `json:"segments_each" doc:"Segments of a message in the language of the school, with no personal text."`
	Segments     int     `json:"segments" doc:"Segments of all messages that were or may be sent, once each."`
	Amount       float64 `json:"amount,omitempty" doc:"Their price; missing without SMS_PRICE."`
	Currency     string  `json:"currency,omitempty" example:"EUR"`
}

// SMSCostOf estimates the cost of the deliveries of an event. A price of 0 is unknown.
func SMSCostOf(segmentsEach int, p schoolbell.ChannelProgress, price float64, currency string) *SMSCost {
	c := &SMSCost{SegmentsEach: segmentsEach, Segments: segmentsEach * (p.Total - p.Suppressed - p.Cancelled - p.Expired)}
	c.Amount, c.Currency = AmountOf(c.Segments, price, currency)
	return c
}

// AmountOf returns the price of segments with its currency; neither if the price of one is 0, which is unknown.
func AmountOf(segments int, price float64, currency string) (float64, string) {
	if price <= 0 {
		return 0, ""
	}
	return math.Round(float64(segments)*price*10_000) / 10_000, currency
}
