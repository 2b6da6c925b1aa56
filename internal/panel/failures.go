package panel

import (
	"context"
	"net/url"
	"slices"

	"schoolbell"
	"schoolbell/internal/panel/cause"
	"schoolbell/internal/panel/site"
)

// failuresView is what failed in an event, by cause.
type failuresView struct {
	Groups []failureGroup
	Count  int
}

// failureGroup are deliveries on a channel that failed for the same cause.
type failureGroup struct {
	Text, Advice, Channel, Icon string
	Example                     string // what the provider says, of most of them
	Others                      int    // other texts of the provider
	Count                       int
	URL                         string
	Current                     bool // the list shows these
	Resend                      bool // it can help to send them again

	Cause, On string // as forms name the cause and the channel
	reasons   []string
}

// maxReasons is how many different reasons of an event are read. Rarer ones are not grouped.
const maxReasons = 2_000

// failures groups what failed in an event.
func (s *Server) failures(ctx context.Context, id string) (v failuresView, err error) {
	found, err := s.cfg.Reports.FailedReasons(ctx, id, maxReasons)
	if err != nil {
		return v, err
	}
	for _, r := range found { // the most frequent first
		c := cause.Of(r)
		at := slices.IndexFunc(v.Groups, func(g failureGroup) bool { return g.Cause == c.ID && g.On == string(r.Channel) })
		if at < 0 {
			q := url.Values{"cause": {c.ID}, "channel": {string(r.Channel)}}
			at = len(v.Groups)
			v.Groups = append(v.Groups, failureGroup{Text: c.Text, Advice: c.Advice, Channel: site.ChannelName(r.Channel), Icon: site.ChannelIcon(r.Channel),
				Example: site.Shorten(r.Reason, site.ShownLine), URL: url.PathEscape(id) + "?" + q.Encode() + "#people", Cause: c.ID, On: string(r.Channel), Others: -1, Resend: c.Resend()})
		}
		g := &v.Groups[at]
		g.Count, g.Others, g.reasons = g.Count+r.Count, g.Others+1, append(g.reasons, r.Reason)
		v.Count += r.Count
	}
	slices.SortStableFunc(v.Groups, func(a, b failureGroup) int { return b.Count - a.Count })
	return v, nil
}

// narrow limits a filter of deliveries to one cause.
func (v failuresView) narrow(f *schoolbell.DeliveryFilter, why string) {
	f.Failed, f.Reasons = true, []string{}
	if why == cause.Unwanted {
		f.Reasons, f.Outcome = nil, schoolbell.OutcomeComplained
	}
	for i, g := range v.Groups {
		if g.Cause == why && (f.Channel == "" || string(f.Channel) == g.On) {
			v.Groups[i].Current = true
			if f.Reasons != nil {
				f.Reasons = append(f.Reasons, g.reasons...)
			}
		}
	}
}

// toRetry selects what failed on a channel for a cause; nothing if that is not among the failures any more.
func (v failuresView) toRetry(cause string, on schoolbell.Channel) schoolbell.RetryFilter {
	only := schoolbell.RetryFilter{Channel: on, Reasons: []string{}}
	for _, g := range v.Groups {
		if g.Resend && g.Cause == cause && g.On == string(on) {
			only.Reasons = append(only.Reasons, g.reasons...)
		}
	}
	return only
}
