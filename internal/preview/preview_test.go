package preview_test

import (
	stdcmp "cmp"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/preview"
	"schoolbell/wire"
)

// audience is a pipeline whose events go to some people: by the inbox to all, and by text message to those who have a name.
type audience struct {
	people    []ledger.Recipient
	forecasts map[schoolbell.Channel]ledger.ChannelForecast
	running   func() // is called by each preview; nil for nothing
	reason    string // why those without a name get no text message; no_address if empty
	smsOnly   bool   // nobody has the event in the inbox
}

var start = time.Date(2027, 6, 4, 7, 0, 0, 0, time.UTC)

func (a *audience) Preview(_ context.Context, ev *schoolbell.Event, visitor ledger.PreviewVisitor) error {
	if a.running != nil {
		a.running()
	}
	ev.ID, ev.CreatedAt, ev.Lane, ev.Channels = "event", start, schoolbell.LaneNormal, []schoolbell.Channel{schoolbell.ChannelInApp, schoolbell.ChannelSMS}
	if err := visitor.Begin(ev); err != nil {
		return err
	}
	for i := 0; i < len(a.people); i += 1000 {
		c := ledger.PreviewChunk{People: a.people[i:min(i+1000, len(a.people))]}
		all := ledger.PreviewGroup{Channel: schoolbell.ChannelInApp, Status: schoolbell.DeliverySent}
		sms := ledger.PreviewGroup{Channel: schoolbell.ChannelSMS, Status: schoolbell.DeliveryPending}
		none := ledger.PreviewGroup{Channel: schoolbell.ChannelSMS, Status: schoolbell.DeliverySuppressed, Reason: stdcmp.Or(a.reason, "no_address")}
		for n, p := range c.People {
			all.People = append(all.People, n)
			if p.Name == "" {
				none.People = append(none.People, n)
			} else {
				sms.People = append(sms.People, n)
			}
		}
		if c.Groups = []ledger.PreviewGroup{all, sms, none}; a.smsOnly {
			c.Groups = c.Groups[1:]
		}
		if err := visitor.Visit(c); err != nil {
			return err
		}
	}
	return nil
}

// Quiet lets people in Asia wait for an hour.
func (a *audience) Quiet(*schoolbell.Event) func(ledger.Recipient) time.Duration {
	return func(to ledger.Recipient) time.Duration {
		if strings.HasPrefix(to.Timezone, "Asia/") {
			return time.Hour
		}
		return 0
	}
}

func (a *audience) Forecasts(context.Context, *schoolbell.Event, map[schoolbell.Channel]int) (map[schoolbell.Channel]ledger.ChannelForecast, error) {
	return a.forecasts, nil
}

// texts writes a text for each locale, or for each person.
type texts struct {
	personal bool
	link     string // in front of the id of the person
	written  int
}

func (x *texts) Variant(_ *schoolbell.Event, _ schoolbell.Channel, to ledger.Recipient) (any, bool, error) {
	return to.Locale, x.personal, nil
}

func (x *texts) TemplateOf(ev *schoolbell.Event, ch schoolbell.Channel, _ ledger.Recipient) (schoolbell.TemplateKey, int64) {
	return schoolbell.TemplateKey{Category: ev.Category, Channel: ch, Locale: "en"}, 3
}

func (x *texts) Render(ev *schoolbell.Event, _ schoolbell.Channel, to ledger.Recipient) (schoolbell.Message, error) {
	x.written++
	text := ev.Body
	if x.personal {
		text += to.Name
	}
	return schoolbell.Message{Text: schoolbell.Plain(text), Link: x.linkOf("", to), Locale: "en"}, nil
}

func (x *texts) linkOf(_ string, to ledger.Recipient) string {
	if x.link == "" {
		return ""
	}
	return x.link + to.UserID
}

func people(n int) (list []ledger.Recipient) {
	for i := range n {
		list = append(list, ledger.Recipient{Seq: int64(i + 1), UserID: fmt.Sprint("p", i), Name: fmt.Sprint("Name ", i)})
	}
	return list
}

func previewOf(t *testing.T, a *audience, x *texts, body string) *wire.EventPreview {
	t.Helper()
	s := preview.New(preview.Config{Pipeline: a, Renderer: x, Link: x.linkOf, School: schoolbell.DefaultSchoolSettings,
		SMS: preview.SMS{MaxSegments: 3, Price: 0.075, Currency: "EUR"}})
	p, err := s.Preview(t.Context(), &schoolbell.Event{Title: "Gala", Body: body}, preview.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPreview(t *testing.T) {
	t.Parallel()
	t.Run("each person is counted once", testPreviewCounts)
	t.Run("who gets a digest is not left out", testPreviewDigest)
	t.Run("a text that people share is written once", testPreviewShared)
	t.Run("cut texts with different links are written one by one", testPreviewLinks)
	t.Run("very many personal texts are estimated", testPreviewEstimated)
	t.Run("the last channel or the quiet hours decide the finish", testPreviewFinish)
	t.Run("at most two previews run at a time", testPreviewSlots)
}

func testPreviewCounts(t *testing.T) {
	t.Parallel()
	list := people(2500)
	for i := 10; i < 17; i++ {
		list[i].Name = ""
	}
	p := previewOf(t, &audience{people: list}, &texts{}, "Bring a towel.")
	var examples []wire.PersonName
	for i := 10; i < 15; i++ {
		examples = append(examples, wire.PersonName{ID: list[i].UserID})
	}
	want := []wire.PreviewedChannel{
		{Channel: schoolbell.ChannelInApp, Messages: 2500, Reasons: []wire.PreviewedReason{}},
		{Channel: schoolbell.ChannelSMS, Messages: 2493, LeftOut: 7, Reasons: []wire.PreviewedReason{{Reason: "no_address", People: 7, Examples: examples}}}}
	if d := cmp.Diff(want, p.Channels); d != "" || p.People != 2500 || p.Messages != 4993 || p.LeftOut != 0 {
		t.Errorf("%d people, %d messages, %d left out; channels (-want +got):\n%s", p.People, p.Messages, p.LeftOut, d)
	}
}

func testPreviewDigest(t *testing.T) {
	t.Parallel()
	list := people(3)
	list[1].Name = ""
	for reason, leftOut := range map[string]int{schoolbell.ReasonInDigest: 0, schoolbell.ReasonOptedOut: 1} {
		p := previewOf(t, &audience{people: list, smsOnly: true, reason: reason}, &texts{}, "Bring a towel.")
		if p.LeftOut != leftOut || p.Messages != 2 || p.Channels[1].LeftOut != 1 {
			t.Errorf("%s: %d left out of %d messages; %+v", reason, p.LeftOut, p.Messages, p.Channels)
		}
	}
}

func testPreviewShared(t *testing.T) {
	t.Parallel()
	list := people(2500)
	for i := range list {
		list[i].Locale = []string{"en", "es"}[i%2]
	}
	x := &texts{link: "https://school.example/"}
	p := previewOf(t, &audience{people: list}, x, strings.Repeat("Bring a towel. ", 20))
	want := &wire.PreviewedSMS{Segments: 5000, Lengths: []wire.PreviewedSegments{{Segments: 2, Messages: 2500}}, Amount: 375, Currency: "EUR"}
	if d := cmp.Diff(want, p.SMS); d != "" || x.written != 3 { // one of them to show it
		t.Errorf("%d texts were written; (-want +got):\n%s", x.written, d)
	}
}

func testPreviewLinks(t *testing.T) {
	t.Parallel()
	x := &texts{link: "https://school.example/"}
	p := previewOf(t, &audience{people: people(100)}, x, strings.Repeat("Bring a towel. ", 80))
	if p.SMS.Segments != 300 || x.written != 101 {
		t.Errorf("%+v after %d texts", p.SMS, x.written)
	}
}

func testPreviewEstimated(t *testing.T) {
	t.Parallel()
	x := &texts{personal: true}
	p := previewOf(t, &audience{people: people(60_000)}, x, "Dear ")
	if !p.SMS.Estimated || p.SMS.Segments != 60_000 || x.written != 50_001 {
		t.Errorf("%+v after %d texts", p.SMS, x.written)
	}
	x = &texts{personal: true}
	if p = previewOf(t, &audience{people: people(50_000)}, x, "Dear "); p.SMS.Estimated {
		t.Errorf("%+v after %d texts", p.SMS, x.written)
	}
}

func testPreviewFinish(t *testing.T) {
	t.Parallel()
	list := people(10)
	list[3].Timezone = "Asia/Tokyo"
	forecast := func(after time.Duration, reached ledger.Period) map[schoolbell.Channel]ledger.ChannelForecast {
		return map[schoolbell.Channel]ledger.ChannelForecast{schoolbell.ChannelSMS: {Waiting: 7, Quota: ledger.Quota{Rate: 10, Daily: 200, Monthly: 300},
			Forecast: ledger.Forecast{After: after, Reached: reached, Rate: 8}}}
	}
	for _, c := range []struct {
		people    []ledger.Recipient
		forecasts map[schoolbell.Channel]ledger.ChannelForecast
		want      *wire.PreviewedFinish
	}{
		{people: people(10)},
		{people(10), forecast(1500*time.Millisecond, ""), &wire.PreviewedFinish{At: wire.At(start.Add(1500 * time.Millisecond)), Seconds: 2, LimitedBy: "sms rate 8/s", Waiting: 7}},
		{people(10), forecast(time.Hour, ledger.PeriodDay), &wire.PreviewedFinish{At: wire.At(start.Add(time.Hour)), Seconds: 3600, LimitedBy: "sms daily limit 200", Waiting: 7}},
		{list, forecast(2*time.Hour, ledger.PeriodMonth), &wire.PreviewedFinish{At: wire.At(start.Add(2 * time.Hour)), Seconds: 7200, LimitedBy: "sms monthly limit 300", Waiting: 7}},
		{list, forecast(time.Minute, ""), &wire.PreviewedFinish{At: wire.At(start.Add(time.Hour)), Seconds: 3600, LimitedBy: "quiet hours"}},
	} {
		p := previewOf(t, &audience{people: c.people, forecasts: c.forecasts}, &texts{}, "x")
		if d := cmp.Diff(c.want, p.Finish); d != "" {
			t.Errorf("finish (-want +got):\n%s", d)
		}
		if len(c.forecasts) > 0 && p.Channels[1].Finish.Waiting != 7 {
			t.Errorf("the channel finishes %+v", p.Channels[1].Finish)
		}
	}
}

func testPreviewSlots(t *testing.T) {
	t.Parallel()
	running, leave := make(chan struct{}), make(chan struct{})
	s := preview.New(preview.Config{Renderer: &texts{}, School: schoolbell.DefaultSchoolSettings, Pipeline: &audience{running: func() {
		running <- struct{}{}
		<-leave
	}}})
	done := make(chan error)
	for range 2 {
		go func() {
			_, err := s.Preview(context.Background(), &schoolbell.Event{}, preview.Options{})
			done <- err
		}()
		<-running
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Preview(ctx, &schoolbell.Event{}, preview.Options{}); ctx.Err() == nil || err != ctx.Err() {
		t.Errorf("the third preview: %v", err)
	}
	close(leave)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
