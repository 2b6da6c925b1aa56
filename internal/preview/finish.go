package preview

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/wire"
)

// finish fills in when the last message is sent.
func (s *Service) finish(ctx context.Context, ev *schoolbell.Event, out *wire.EventPreview) error {
	units := map[schoolbell.Channel]int{}
	for _, c := range out.Channels {
		units[c.Channel] = c.Messages
	}
	if out.SMS != nil {
		units[schoolbell.ChannelSMS] = out.SMS.Segments
	}
	forecasts, err := s.cfg.Pipeline.Forecasts(ctx, ev, units)
	if err != nil {
		return err
	}
	start := startOf(ev)
	for i := range out.Channels {
		c := &out.Channels[i]
		f, ok := forecasts[c.Channel]
		if !ok || f.Rate == 0 && f.Reached == "" { // nothing makes it wait
			continue
		}
		c.Finish = finishAt(start, f.After, limitText(c.Channel, f.Quota, f.Forecast))
		c.Finish.Waiting = f.Waiting
		if out.Finish == nil || out.Finish.At.Before(c.Finish.At.Time) {
			out.Finish = c.Finish
		}
	}
	if h := out.Held; h != nil && (out.Finish == nil || out.Finish.At.Before(h.Until.Time)) {
		out.Finish = finishAt(start, h.Until.Sub(start), "quiet hours")
	}
	return nil
}

// startOf returns when a new event starts.
func startOf(ev *schoolbell.Event) time.Time {
	if ev.SendAt.After(ev.CreatedAt) {
		return ev.SendAt
	}
	return ev.CreatedAt
}

func finishAt(start time.Time, after time.Duration, limit string) *wire.PreviewedFinish {
	return &wire.PreviewedFinish{At: wire.At(start.Add(after)), Seconds: int((after + time.Second - 1) / time.Second), LimitedBy: limit}
}

// limitText says which limit decides a forecast.
func limitText(ch schoolbell.Channel, q ledger.Quota, f ledger.Forecast) string {
	switch f.Reached {
	case ledger.PeriodDay:
		return fmt.Sprintf("%s daily limit %d", ch, q.Daily)
	case ledger.PeriodMonth:
		return fmt.Sprintf("%s monthly limit %d", ch, q.Monthly)
	}
	return fmt.Sprintf("%s rate %s/s", ch, strconv.FormatFloat(f.Rate, 'f', -1, 64))
}
