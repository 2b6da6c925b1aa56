package browser

import (
	"maps"
	"slices"
	"testing"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"

	"github.com/redis/go-redis/v9"
)

// hostile is what somebody writes who wants scripts to run in the browsers of the staff.
const hostile = `<img src=x class=hostile onerror="window.hacked=1"><script>window.hacked=1</script>"'{{user.name}}`

// Whatever people and programs write is shown as text, on every page that links lead to.
func TestPanelHostile(t *testing.T) {
	t.Parallel()
	addr := testenv.Redis(t)
	s := newSiteOn(t, system.Parts{Redis: addr})
	admin := s.account(t, "head@hollowbrook.example", hostile, schoolbell.RoleAdmin)
	worker := s.Worker("one")
	t.Cleanup(worker.Stop)
	s.writeEverywhere(t, addr)
	p := s.signsIn(t, device{width: 1440, script: true}, admin, "")
	pages := linkedPages(p, s.URL+"/panel/")
	found := 0
	for _, kind := range slices.Sorted(maps.Keys(pages)) {
		p.visit(pages[kind])
		var run struct{ Hacked, Elements, Shown int }
		p.eval(`({Hacked: window.hacked || 0, Elements: document.querySelectorAll('.hostile, main script').length, Shown: document.body.innerText.includes('class=hostile') ? 1 : 0})`, &run)
		if run.Hacked != 0 || run.Elements != 0 {
			t.Errorf("%s: what people write became part of the page: %+v", kind, run)
		}
		found += run.Shown
	}
	if _, faults := p.noted(); len(faults) > 0 {
		t.Errorf("pages did what they may not: %q", faults)
	}
	if len(pages) < 25 || found < 10 {
		t.Errorf("%d pages, of which %d show what people have written: %v", len(pages), found, slices.Sorted(maps.Keys(pages)))
	}
}

// writeEverywhere writes the hostile text into each field that people and programs can write.
func (s *site) writeEverywhere(t *testing.T, redisAddr string) {
	t.Helper()
	ctx := t.Context()
	_, _, err := s.Client.PutGroup(ctx, schoolbell.Group{ID: "5b", Name: hostile, Kind: schoolbell.GroupClass})
	must(t, err)
	_, _, err = s.Client.PutUser(ctx, schoolbell.User{ID: "mallory", Name: hostile, Email: "mallory@example.org", Roles: []schoolbell.Role{schoolbell.RoleParent}, Groups: []string{"5b"}})
	must(t, err)
	_, _, err = s.Client.PutCategory(ctx, schoolbell.CategoryInfo{ID: "trips", Name: hostile, Lane: schoolbell.LaneNormal, Channels: schoolbell.DefaultChannels()})
	must(t, err)
	_, err = s.Client.PutTemplate(ctx, schoolbell.TemplateKey{Category: "trips", Channel: schoolbell.ChannelEmail, Locale: "en"},
		wire.TemplateText{Subject: `<b class=hostile>{{event.title}}`, Text: `<b class=hostile>{{event.body}}`, HTML: `<p>{{event.body}}</p>`})
	must(t, err)
	settings, err := s.Client.Settings(ctx)
	must(t, err)
	settings.Signature = hostile
	_, err = s.Client.PutSettings(ctx, settings)
	must(t, err)
	id := s.creates(t, wire.NewEvent{Title: hostile, Body: hostile, Location: hostile, Category: "trips"}, "mallory")
	s.AwaitStatus(id, schoolbell.EventCompleted)
	s.creates(t, wire.NewEvent{Title: hostile, Body: hostile, SendAt: wire.At(gala().StartsAt.Time)}, "mallory")
	s.Does("key", "create", "--name", hostile, "--scope", "read")
	rdb := redis.NewClient(&redis.Options{Addr: redisAddr})
	t.Cleanup(func() { _ = rdb.Close() })
	q, err := bullmq.NewQueue(rdb, "letters", bullmq.QueueOptions{})
	must(t, err)
	_, err = q.Add(ctx, hostile, map[string]string{"text": hostile}, bullmq.JobOptions{})
	must(t, err)
}
