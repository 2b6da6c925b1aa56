package people

import (
	"net/url"
	"slices"

	"schoolbell"
	"schoolbell/internal/panel/site"
)

// deliveryEvents is how many events the page of a person lists at a time.
const deliveryEvents = 10

// deliveryPage is a page of what was sent to a person, newest event first.
type deliveryPage struct {
	Channels     []string // names of the columns
	Rows         []deliveryRow
	First, Older string // URLs; empty for none
}

// deliveryRow is what was sent to a person of a wave of an event.
type deliveryRow struct {
	ID, Title, Wave string
	When            site.Moment
	Cells           []deliveryCell
}

// deliveryCell is the delivery of a row on a channel. Status is empty if there is none.
type deliveryCell struct {
	Channel, Status, Why string
	Read                 site.Moment
}

// deliveries lists what was sent to a person. An account that is limited to groups sees the events that it may open.
func (p *Pages) deliveries(c *site.Call, id string) (v deliveryPage, err error) {
	before := c.R.URL.Query().Get("before")
	if err := p.site.CheckPlace(c, before); err != nil {
		return v, err
	}
	found, next, err := p.cfg.Deliveries.DeliveriesOf(c.Ctx(), id, c.Account.Groups, before, deliveryEvents)
	if err != nil {
		return v, err
	}
	var channels []schoolbell.Channel
	for _, ch := range append([]schoolbell.Channel{schoolbell.ChannelInApp}, shownChannels...) {
		if slices.ContainsFunc(found, func(d schoolbell.PersonDelivery) bool { return d.Channel == ch }) {
			channels, v.Channels = append(channels, ch), append(v.Channels, site.ChannelName(ch))
		}
	}
	v.Rows = p.deliveryRows(found, channels)
	if before != "" {
		v.First = url.PathEscape(id) + "#deliveries"
	}
	if next != "" {
		v.Older = url.PathEscape(id) + "?before=" + url.QueryEscape(next) + "#deliveries"
	}
	return v, nil
}

// deliveryRows puts the deliveries of a wave, which follow each other, into one row.
func (p *Pages) deliveryRows(found []schoolbell.PersonDelivery, channels []schoolbell.Channel) (rows []deliveryRow) {
	for len(found) > 0 {
		first := found[0]
		n := 1
		for n < len(found) && found[n].EventID == first.EventID && found[n].Wave == first.Wave {
			n++
		}
		row := deliveryRow{ID: first.EventID, Title: first.Title, Wave: site.WaveWord(first.Wave)}
		latest := first.UpdatedAt
		for _, ch := range channels {
			cell := deliveryCell{Channel: site.ChannelName(ch)}
			for _, d := range found[:n] {
				if d.UpdatedAt.After(latest) {
					latest = d.UpdatedAt
				}
				if d.Channel == ch {
					cell.Status, cell.Why = site.DeliveryStatus(d.Delivery), site.ReasonWords(d.Reason)
					if d.ReadAt != nil {
						cell.Read = p.site.When(*d.ReadAt)
					}
				}
			}
			row.Cells = append(row.Cells, cell)
		}
		row.When = p.site.When(latest)
		rows, found = append(rows, row), found[n:]
	}
	return rows
}
