package api_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
	"schoolbell/wire"
)

func TestCategories(t *testing.T) {
	t.Parallel()
	t.Run("built-in", func(t *testing.T) {
		t.Parallel()
		s := newServer(t)
		got, err := s.Categories(t.Context())
		must(t, err)
		if diff := cmp.Diff(schoolbell.BuiltInCategories(), got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("created, changed and deleted", func(t *testing.T) {
		t.Parallel()
		s := newServer(t)
		want := &schoolbell.CategoryInfo{ID: "trips", Name: "Trips", Lane: schoolbell.LaneNormal, Channels: schoolbell.DefaultChannels(), Position: 7}
		got, created, err := s.PutCategory(t.Context(), schoolbell.CategoryInfo{ID: "trips", Name: "Trips", Position: 7})
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" || !created {
			t.Errorf("created %v: %s", created, diff)
		}
		want.Name, want.Mandatory, want.Lane = "Tours", true, schoolbell.LaneUrgent
		got, created, err = s.PutCategory(t.Context(), *want)
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" || created {
			t.Errorf("created %v: %s", created, diff)
		}
		must(t, s.DeleteCategory(t.Context(), "trips"))
		if a := s.raw("GET", "/v1/categories/trips", ""); a.StatusCode != 404 {
			t.Errorf("a deleted category: answered %d %s", a.StatusCode, a.body)
		}
	})
	t.Run("in use or built in", func(t *testing.T) {
		t.Parallel()
		s := newServer(t)
		s.user("u1")
		_, _, err := s.PutCategory(t.Context(), schoolbell.CategoryInfo{ID: "trips", Name: "Trips", Channels: []schoolbell.Channel{schoolbell.ChannelInApp}})
		must(t, err)
		ev, err := s.CreateEvent(t.Context(), wire.NewEvent{Title: "T", Body: "B", Category: "trips",
			Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{"u1"}}}})
		must(t, err)
		if diff := cmp.Diff([]schoolbell.Channel{schoolbell.ChannelInApp}, ev.Channels); diff != "" {
			t.Errorf("channels of an event that names none: %s", diff)
		}
		for _, id := range []string{"trips", "urgent"} {
			if a := s.raw("DELETE", "/v1/categories/"+id, ""); a.StatusCode != 409 || a.problem(t).Code != "conflict" {
				t.Errorf("%s: answered %d %s", id, a.StatusCode, a.body)
			}
		}
	})
}
