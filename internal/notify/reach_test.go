package notify_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/notify"
	"schoolbell/internal/render"
	"schoolbell/internal/store"
	"schoolbell/internal/store/postgres"
	"schoolbell/internal/store/sqlite"
	"schoolbell/internal/testenv"
)

// pigeon is a channel that no package knows.
const pigeon schoolbell.Channel = "pigeon"

// engines opens an empty ledger of each engine.
var engines = map[string]func(t *testing.T) *store.Ledger{
	"sqlite": func(t *testing.T) *store.Ledger {
		db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return store.OnSQLite(db)
	},
	"postgres": func(t *testing.T) *store.Ledger {
		db, err := postgres.Open(t.Context(), testenv.Postgres(t), postgres.Options{Connections: 8})
		if err != nil {
			t.Fatal(err)
		}
		return store.OnPostgres(db)
	},
}

// loft is the provider of pigeon: it notes who got what, and has no such loft as "gone".
type loft struct {
	mu   sync.Mutex
	sent map[string]string // text by address
}

func (l *loft) Send(_ context.Context, msgs []schoolbell.Message, done func(int, schoolbell.Result)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, m := range msgs {
		if m.To == "gone" {
			done(i, schoolbell.Result{Verdict: schoolbell.VerdictGiveUp, Reason: "there is no loft", Address: schoolbell.AddressBounced})
			continue
		}
		l.sent[m.To] = m.Text.String()
		done(i, schoolbell.Result{Verdict: schoolbell.VerdictSent, ProviderID: "ring " + m.To})
	}
}

// A channel with a provider and a mandatory category are rows and a provider: neither
// statements nor the pipeline know them.
func TestReach(t *testing.T) {
	t.Parallel()
	for engine, open := range engines {
		t.Run("new channel and category on "+engine, func(t *testing.T) {
			t.Parallel()
			l := open(t)
			t.Cleanup(func() { _ = l.Close() })
			newChannelAndCategory(t, l)
		})
	}
}

func newChannelAndCategory(t *testing.T, l *store.Ledger) {
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(l.Migrate(ctx))
	must(l.Channels.PutChannels(ctx, []ledger.ChannelInfo{{Name: pigeon, Addressed: true}}))
	for _, c := range []schoolbell.CategoryInfo{
		{ID: "alarm", Name: "Alarm", Mandatory: true, Lane: schoolbell.LaneUrgent, Channels: []schoolbell.Channel{pigeon}},
		{ID: "trips", Name: "Trips", Lane: schoolbell.LaneNormal, Channels: []schoolbell.Channel{pigeon}},
	} {
		_, err := l.School.PutCategory(ctx, c)
		must(err)
	}
	for id, lofts := range map[string][]string{"ada": {"ada's loft"}, "off": {"loft of off"}, "none": nil, "two": {"gone", "second loft"}} {
		u := &schoolbell.User{ID: id, Name: "User", Roles: []schoolbell.Role{schoolbell.RoleStudent}}
		for _, a := range lofts {
			u.Addresses = append(u.Addresses, schoolbell.Address{Channel: pigeon, Address: a})
		}
		u.Normalize()
		_, err := l.People.PutUser(ctx, u)
		must(err)
	}
	for _, c := range []schoolbell.Category{"alarm", "trips"} {
		must(l.People.PutPreferences(ctx, "off", []schoolbell.Preference{{Category: c, Channel: pigeon, Mode: schoolbell.ModeOff}}))
	}

	renderer, err := render.New(render.Config{})
	must(err)
	provider := &loft{sent: map[string]string{}}
	s := &testPipeline{t: t, ledger: l, redis: redisClient(t, testenv.Redis(t)), cfg: notify.Config{Channels: []schoolbell.Channel{pigeon},
		Backoff: 20 * time.Millisecond, KeepCompleted: time.Hour, KeepFailed: time.Hour, Grace: 5 * time.Second}}
	s.pipeline = s.newPipeline()
	s.workWith(renderer, map[schoolbell.Channel]notify.Senders{pigeon: notify.ForBothLanes(provider)})

	send := func(c schoolbell.Category) map[string]string {
		ev := s.create(func(ev *schoolbell.Event) { ev.Category, ev.Channels, ev.Body = c, nil, "Look up." })
		if diff := cmp.Diff([]schoolbell.Channel{pigeon}, ev.Channels); diff != "" {
			t.Errorf("channels of category %s: %s", c, diff)
		}
		s.await(ev.ID, schoolbell.EventCompleted)
		rows := map[string]string{}
		list, _, err := l.Reports.Deliveries(ctx, ev.ID, schoolbell.DeliveryFilter{Channel: pigeon}, ledger.DeliveryCursor{}, 10)
		must(err)
		for _, d := range list {
			rows[d.UserID] = string(d.Status) + " " + d.Reason + d.ProviderID
		}
		p, err := l.Events.Progress(ctx, ev.ID)
		must(err)
		if got := p.Channels[pigeon]; got.Total != 4 || got.Sent+got.Failed+got.Suppressed != 4 {
			t.Errorf("progress of category %s: %+v", c, p)
		}
		return rows
	}
	want := map[string]string{"ada": "sent ring [address]", "off": "sent ring [address]", "none": "suppressed no_address", "two": "failed there is no loft"}
	if diff := cmp.Diff(want, send("alarm")); diff != "" {
		t.Errorf("mandatory category: %s", diff)
	}
	want["off"], want["two"] = "suppressed opted_out", "sent ring [address]" // the next address, from the next event on
	if diff := cmp.Diff(want, send("trips")); diff != "" {
		t.Errorf("other category: %s", diff)
	}
	for _, address := range []string{"ada's loft", "loft of off", "second loft"} {
		if provider.sent[address] == "" {
			t.Errorf("nothing was sent to %s", address)
		}
	}
	two, err := l.People.User(ctx, "two")
	must(err)
	wantAddresses := []schoolbell.Address{{Channel: pigeon, Address: "gone", State: schoolbell.AddressBounced, Reason: "there is no loft"},
		{Channel: pigeon, Address: "second loft", State: schoolbell.AddressUnverified}}
	if diff := cmp.Diff(wantAddresses, two.Addresses); diff != "" {
		t.Errorf("addresses: %s", diff)
	}
}
