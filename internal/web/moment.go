package web

import "time"

// moment is a time as people read it.
type moment struct {
	Date, Clock string
	Machine     string // RFC 3339
}

// span is a time, or the time from one moment to another.
type span struct {
	From moment
	To   *moment // nil for a single moment; its Date is empty on the same day
	Zone string  // IANA name
}

func (w *Words) moment(t time.Time) moment {
	return moment{Date: w.language.Date(t), Clock: w.language.Clock(t), Machine: t.Format(time.RFC3339)}
}

func (w *Words) span(start, end time.Time, zone *time.Location) *span {
	s := &span{From: w.moment(start.In(zone)), Zone: zone.String()}
	if !end.IsZero() && !end.Equal(start) {
		to := w.moment(end.In(zone))
		if to.Date == s.From.Date {
			to.Date = ""
		}
		s.To = &to
	}
	return s
}
