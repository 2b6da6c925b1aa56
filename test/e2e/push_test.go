package e2e

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/channel/push/vapid"
	"schoolbell/internal/fake"
	"schoolbell/test/system"
	"schoolbell/wire"
)

func TestPush(t *testing.T) {
	t.Parallel()
	system.OnBothEngines(t, func(t *testing.T, parts system.Parts) {
		push := newPushSchool(t, parts)
		stop := push.Start()
		usesPush(t, push)
		stop()
	})
}

// messageLink is the URL of a page of one message.
var messageLink = regexp.MustCompile(`^http://127\.0\.0\.1:\d+/m/[A-Za-z0-9_-]{48}$`)

// pushSchool is a school with a push service.
type pushSchool struct {
	*system.School
	service *fake.Push
	key     string // public
}

func newPushSchool(t *testing.T, parts system.Parts) pushSchool {
	t.Helper()
	key, err := vapid.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	private, err := key.Private()
	if err != nil {
		t.Fatal(err)
	}
	service, err := fake.NewPush(fake.PushOptions{PublicKey: key.Public()})
	if err != nil {
		t.Fatal(err)
	}
	play(t, service)
	parts.SMTP = system.NewMail(t).Addr()
	parts.Settings = append(parts.Settings, "PUSH_PUBLIC_KEY="+key.Public(), "PUSH_PRIVATE_KEY="+private, "PUSH_SUBJECT=mailto:office@hill.example",
		"PUSH_SERVICES="+strings.TrimPrefix(service.URL(), "http://"), "OUTBOUND_ALLOW=127.0.0.1/32")
	return pushSchool{system.New(t, parts), service, key.Public()}
}

// register subscribes a browser and registers it with the token of its user.
func (s pushSchool) register(t *testing.T, owner *client.Client, label string) (schoolbell.PushSubscription, wire.Device) {
	t.Helper()
	browser, err := s.service.Subscribe()
	if err != nil {
		t.Fatal(err)
	}
	d, created, err := owner.AddDevice(t.Context(), "anne", wire.DeviceRequest{Endpoint: browser.Endpoint, Keys: wire.DeviceKeys(browser.Keys), Label: label})
	if err != nil || !created {
		t.Fatalf("register %s: created %v, %v", label, created, err)
	}
	return browser, d
}

// tell sends an event to Anne on the channel push, and returns its id and her delivery.
func (s pushSchool) tell(t *testing.T, ev wire.NewEvent) (id, delivery string) {
	t.Helper()
	ev.Audience.Users, ev.Channels = []string{"anne"}, []schoolbell.Channel{schoolbell.ChannelPush}
	created, err := s.Client.CreateEvent(t.Context(), ev)
	if err != nil {
		t.Fatal(err)
	}
	s.AwaitStatus(created.ID, schoolbell.EventCompleted)
	page, err := s.Client.Deliveries(t.Context(), created.ID, schoolbell.DeliveryFilter{}, client.Page{})
	if err != nil || len(page.Deliveries) != 1 {
		t.Fatalf("deliveries %+v, %v", page, err)
	}
	return created.ID, strings.TrimSpace(string(page.Deliveries[0].Status) + " " + page.Deliveries[0].Reason)
}

func states(t *testing.T, c *client.Client) map[string]schoolbell.AddressState {
	t.Helper()
	devices, err := c.Devices(t.Context(), "anne")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]schoolbell.AddressState{}
	for _, d := range devices {
		found[d.Label] = d.State
	}
	return found
}

// usesPush goes the way of a browser from its registration to its end.
func usesPush(t *testing.T, s pushSchool) {
	t.Helper()
	ctx := context.Background()
	s.AwaitReady()
	if key, err := s.As("").PushKey(ctx); err != nil || key != s.key {
		t.Errorf("key %q, %v", key, err)
	}
	if _, _, err := s.Client.PutUser(ctx, schoolbell.User{ID: "anne", Name: "Anne", Roles: []schoolbell.Role{schoolbell.RoleParent}}); err != nil {
		t.Fatal(err)
	}
	token, err := s.Client.CreateToken(ctx, "anne", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	owner := s.As(token.Token)
	phone, _ := s.register(t, owner, "phone")
	lost, _ := s.register(t, owner, "lost phone")
	laptop, _ := s.register(t, owner, "laptop")
	s.service.Unsubscribe(lost)

	id, delivery := s.tell(t, wire.NewEvent{Title: "School closed", Body: "Because of the storm.", Category: schoolbell.CategoryUrgent})
	if delivery != "sent" || s.service.Accepted(id) != 2 {
		t.Errorf("delivery %s, the push service took %d messages", delivery, s.service.Accepted(id))
	}
	for _, browser := range []schoolbell.PushSubscription{phone, laptop} {
		got := s.service.Fetch(browser)
		if len(got) != 1 || got[0].Title != "Urgent: School closed" || got[0].Body != "Because of the storm." || got[0].EventID != id || got[0].Urgency != "high" ||
			!messageLink.MatchString(got[0].URL) || got[0].Subject != "mailto:office@hill.example" {
			t.Errorf("the browser got %+v", got)
		}
	}
	// The lost phone is not asked again.
	want := map[string]schoolbell.AddressState{"phone": schoolbell.AddressUnverified, "lost phone": schoolbell.AddressBounced, "laptop": schoolbell.AddressUnverified}
	if diff := cmp.Diff(want, states(t, owner)); diff != "" {
		t.Errorf("devices: %s", diff)
	}
	id, delivery = s.tell(t, wire.NewEvent{Title: "School open", Body: "Again."})
	if delivery != "sent" || s.service.Accepted(id) != 2 {
		t.Errorf("second event: delivery %s, the push service took %d messages", delivery, s.service.Accepted(id))
	}

	s.service.Unsubscribe(phone)
	s.service.Unsubscribe(laptop)
	if _, delivery = s.tell(t, wire.NewEvent{Title: "Third", Body: "To nobody."}); delivery != "failed the push service replied 410 (Unregistered): it does not know the device any more" {
		t.Errorf("all devices are gone: delivery %s", delivery)
	}
	if _, delivery = s.tell(t, wire.NewEvent{Title: "Fourth", Body: "To nobody."}); delivery != "suppressed bounced" {
		t.Errorf("no device is left: delivery %s", delivery)
	}
	tablet, d := s.register(t, owner, "tablet")
	if diff := cmp.Diff(map[string]schoolbell.AddressState{"tablet": schoolbell.AddressUnverified}, states(t, owner)); diff != "" {
		t.Errorf("devices after a new one: %s", diff)
	}
	if _, delivery = s.tell(t, wire.NewEvent{Title: "Fifth", Body: "Hello."}); delivery != "sent" || len(s.service.Fetch(tablet)) != 1 {
		t.Errorf("a new device: delivery %s", delivery)
	}
	if err := owner.RemoveDevice(ctx, "anne", d.ID); err != nil {
		t.Fatal(err)
	}
	if _, delivery = s.tell(t, wire.NewEvent{Title: "Sixth", Body: "To nobody."}); delivery != "suppressed no_address" {
		t.Errorf("no device at all: delivery %s", delivery)
	}
}
