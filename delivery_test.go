package schoolbell_test

import (
	"encoding/json"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"schoolbell"
)

func TestDeliveryStatusTerminal(t *testing.T) {
	t.Parallel()
	open := []schoolbell.DeliveryStatus{schoolbell.DeliveryPending, schoolbell.DeliverySending}
	for _, s := range schoolbell.DeliveryStatuses() {
		if !s.Valid() {
			t.Errorf("%s is listed and not valid", s)
		}
		if want := !slices.Contains(open, s); s.Terminal() != want {
			t.Errorf("%s: terminal %v, want %v", s, s.Terminal(), want)
		}
	}
	if schoolbell.DeliveryStatus("lost").Valid() {
		t.Error("an unknown status is valid")
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	t.Run("every delivery is counted once", testProgressCountsOnce)
	t.Run("an empty audience goes from 0 to 100 percent", testProgressEmptyAudience)
	t.Run("JSON has counts by channel and by wave", testProgressJSON)
}

// Whatever the rows are, each is counted in one place, and done means terminal.
func testProgressCountsOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		channels := map[schoolbell.Channel]schoolbell.ChannelProgress{}
		total, terminal := 0, 0
		for _, c := range rapid.SliceOfDistinct(rapid.SampledFrom(schoolbell.Channels()), rapid.ID).Draw(t, "channels") {
			var p schoolbell.ChannelProgress
			for _, s := range rapid.SliceOf(rapid.SampledFrom(schoolbell.DeliveryStatuses())).Draw(t, "statuses") {
				n := rapid.IntRange(0, 50_000).Draw(t, "n")
				p.Add(s, rapid.SampledFrom(append(schoolbell.Outcomes(), "")).Draw(t, "outcome"), n)
				total += n
				if s.Terminal() {
					terminal += n
				}
			}
			if sum := p.Pending + p.Sent + p.Failed + p.Suppressed + p.Uncertain + p.Cancelled + p.Expired; sum != p.Total {
				t.Fatalf("%+v adds up to %d", p, sum)
			}
			channels[c] = p
		}
		walked := rapid.Bool().Draw(t, "walked")
		p := schoolbell.NewProgress(map[int]map[schoolbell.Channel]schoolbell.ChannelProgress{rapid.IntRange(0, 3).Draw(t, "wave"): channels}, walked)
		if p.Total != total || p.Done != terminal {
			t.Fatalf("progress %+v, want total %d, done %d", p, total, terminal)
		}
		if finished := walked && terminal == total; (p.Percent == 100) != finished || p.Percent < 0 || p.Percent > 100 {
			t.Fatalf("%d %% with %d of %d done, walked %v", p.Percent, terminal, total, walked)
		}
	})
}

func testProgressEmptyAudience(t *testing.T) {
	t.Parallel()
	if p := schoolbell.NewProgress(nil, false); p.Percent != 0 {
		t.Errorf("before the walk: %d %%", p.Percent)
	}
	if p := schoolbell.NewProgress(nil, true); p.Percent != 100 {
		t.Errorf("after it: %d %%", p.Percent)
	}
}

func testProgressJSON(t *testing.T) {
	t.Parallel()
	var email, later schoolbell.ChannelProgress
	email.Add(schoolbell.DeliverySending, "", 1)
	email.Add(schoolbell.DeliverySent, schoolbell.OutcomeDelivered, 2)
	email.Add(schoolbell.DeliverySent, "", 1)
	later.Add(schoolbell.DeliveryPending, "", 1)
	text, err := json.Marshal(schoolbell.NewProgress(map[int]map[schoolbell.Channel]schoolbell.ChannelProgress{
		0: {schoolbell.ChannelEmail: email}, 1: {schoolbell.ChannelSMS: later}}, true))
	const want = `{"percent":60,"total":5,"done":3,` +
		`"channels":{"email":{"total":4,"pending":1,"sent":3,"failed":0,"suppressed":0,"uncertain":0,"cancelled":0,"expired":0,"delivered":2}},` +
		`"waves":{"1":{"channels":{"sms":{"total":1,"pending":1,"sent":0,"failed":0,"suppressed":0,"uncertain":0,"cancelled":0,"expired":0}}}}}`
	if err != nil || string(text) != want {
		t.Errorf("got  %s, %v\nwant %s", text, err, want)
	}
}
