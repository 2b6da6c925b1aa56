package wire_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/wire"
)

// A field that a conversion forgets would be lost without an error.
func TestConversions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		convert func() any
		but     []string // fields that the source does not have
	}{
		{"NewEvent to event", func() any { return filled[wire.NewEvent]().Event() }, []string{"ID", "Lane", "JobID", "Status", "CreatedAt", "CreatedBy", "CompletedAt", "CancelledAt", "Digest", "DeliveriesRemovedAt", "Notice", "Revision", "PersonalCount", "CreatedWithin"}},
		{"event", func() any { return wire.EventOf(filled[schoolbell.Event]()) }, []string{"Progress", "Costs", "Wave"}},
		{"delivery", func() any { return wire.DeliveryOf(*filled[schoolbell.Delivery]()) }, nil},
		{"delivery of a user", func() any {
			return wire.UserDeliveryOf(schoolbell.PersonDelivery{Delivery: *filled[schoolbell.Delivery](), Title: "T"})
		}, nil},
		{"audit entry", func() any { return wire.AuditEntryOf(*filled[schoolbell.AuditEntry]()) }, nil},
		{"settings", func() any { return wire.SettingsOf(*filled[schoolbell.SchoolSettings]()) }, nil},
		{"settings to the school's", func() any { return filled[wire.Settings]().Settings() }, nil},
		{"inbox item", func() any { return wire.InboxItemOf(*filled[schoolbell.InboxItem]()) }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := reflect.Indirect(reflect.ValueOf(c.convert()))
			for f, v := range got.Fields() {
				if v.IsZero() != slices.Contains(c.but, f.Name) {
					t.Errorf("%s is %v", f.Name, v)
				}
			}
		})
	}
}

// filled returns a T whose fields all have a value.
func filled[T any]() *T {
	out := new(T)
	for f, v := range reflect.ValueOf(out).Elem().Fields() {
		at := time.Date(2027, 6, 4, 7, 0, 0, 0, time.UTC)
		switch p := v.Addr().Interface().(type) {
		case *time.Time:
			*p = at
		case **time.Time:
			*p = &at
		case *wire.Time:
			*p = wire.At(at)
		case *[]byte:
			*p = []byte(`{}`)
		case *json.RawMessage:
			*p = json.RawMessage(`{}`)
		case *[]schoolbell.PersonData:
			*p = []schoolbell.PersonData{{User: "u1", Data: json.RawMessage(`{}`)}}
		case **schoolbell.PersonalText:
			*p = &schoolbell.PersonalText{Name: "x"}
		case *schoolbell.Audience:
			p.Users = []string{"u1"}
		case *schoolbell.Actor:
			*p = schoolbell.Actor{Kind: schoolbell.ActorKey, ID: "x", Name: "x"}
		case *schoolbell.Target:
			*p = schoolbell.Target{Kind: "event", ID: "x"}
		case *map[string]any:
			*p = map[string]any{"n": 1}
		case *map[string]schoolbell.EventText:
			*p = map[string]schoolbell.EventText{"es": {Title: "x"}}
		case *schoolbell.Colours:
			p.Primary = "x"
		case *schoolbell.QuietHours:
			p.From = "x"
		case *schoolbell.DigestWindow:
			p.At = "x"
		case *schoolbell.Retention:
			p.Events = "x"
		case *[]string:
			*p = []string{"x"}
		case *[]schoolbell.Channel:
			*p = []schoolbell.Channel{schoolbell.ChannelEmail}
		default:
			switch v.Kind() {
			case reflect.String:
				v.SetString("x")
			case reflect.Int, reflect.Int64:
				v.SetInt(1)
			case reflect.Bool:
				v.SetBool(true)
			default:
				panic("no value for " + f.Name)
			}
		}
	}
	return out
}

func TestEventChange(t *testing.T) {
	t.Parallel()
	var in wire.EventChange
	if err := json.Unmarshal([]byte(`{"title":"T","location":null,"ends_at":null,"data":null,"texts":null}`), &in); err != nil {
		t.Fatal(err)
	}
	change := in.Change()
	if got := change.Fields(); !slices.Equal(got, []string{"title", "data", "location", "texts", "ends_at"}) {
		t.Errorf("the change has the fields %q", got)
	}
	ev := change.Apply(filled[schoolbell.Event]())
	if ev.Title != "T" || ev.Location != "" || !ev.EndsAt.IsZero() || ev.Data != nil || ev.Texts != nil || ev.StartsAt.IsZero() {
		t.Errorf("the event became %+v", ev)
	}
	text, err := json.Marshal(in)
	if err != nil || string(text) != `{"data":null,"ends_at":null,"location":null,"texts":null,"title":"T"}` {
		t.Errorf("the change is written as %s, %v", text, err)
	}
}
