package panel

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/internal/panel/site"
)

// area has one event and one person within the group 7a: "inside". Others are there, but outside.
type area struct{}

func (area) EventWithin(_ context.Context, id string, groups []string) (bool, error) {
	return id == "inside" && slices.Contains(groups, "7a"), nil
}

func (area) PeopleWithin(_ context.Context, groups, ids []string) (map[string]bool, error) {
	return map[string]bool{"inside": slices.Contains(groups, "7a") && slices.Contains(ids, "inside")}, nil
}

func (area) GroupsBelow(_ context.Context, groups []string) (found []*schoolbell.Group, err error) {
	for _, id := range groups {
		found = append(found, &schoolbell.Group{ID: id, Name: id, Kind: schoolbell.GroupClass})
	}
	return found, nil
}

func (a area) FindGroups(ctx context.Context, f schoolbell.GroupFilter, _ int) ([]*schoolbell.Group, error) {
	return a.GroupsBelow(ctx, f.Within)
}

// visitors are all kinds of people who may ask, each as their session.
var visitors = []string{"", "stolen", "viewer", "sender", "admin", "viewer in 7a", "sender in 7a", "viewer in 8a", "sender in 8a"}

// allRoutes are the routes of all pages.
func allRoutes(t *testing.T) (all []site.Route) {
	t.Helper()
	s, _, _ := newGuarded(t, "")
	for _, g := range s.groups() {
		all = append(all, g.Routes...)
	}
	return all
}

// answered is how the panel must answer a route before it does anything; 0 if it must carry it out.
func answered(rt site.Route, visitor, id string) int {
	role, groups, limited := strings.Cut(visitor, " in ")
	scope := schoolbell.StaffRole(role).Scope()
	switch {
	case rt.Public:
		return 0
	case scope == "" && strings.HasSuffix(rt.Path, "live"):
		return http.StatusUnauthorized
	case scope == "":
		return http.StatusSeeOther
	case !scope.Allows(rt.Need):
		return http.StatusForbidden
	case !limited || rt.Limit == site.Free || rt.Limit == site.Narrowed:
		return 0
	case rt.Limit == site.Refused:
		return http.StatusForbidden
	case groups != "7a" || id != "inside":
		return http.StatusNotFound
	}
	return 0
}

// TestAccess asks for every route as every visitor, from here and from another site. It takes the routes from their table, so that
// none can be forgotten.
func TestAccess(t *testing.T) {
	s, _, n := newGuarded(t, "")
	reached := 0
	stubbed := slices.Clone(allRoutes(t))
	for i := range stubbed {
		stubbed[i].Serve = func(*site.Call) error { reached++; return nil }
	}
	h, err := s.site.Handler(site.Group{Routes: stubbed})
	if err != nil {
		t.Fatal(err)
	}
	s.handler = h
	for _, rt := range allRoutes(t) {
		for _, visitor := range visitors {
			for _, id := range []string{"inside", "outside"} {
				for _, origin := range []string{"same-origin", "same-site", "cross-site"} {
					reached = 0
					want := answered(rt, visitor, id)
					if origin != "same-origin" && rt.Method == http.MethodPost {
						want = http.StatusForbidden
					}
					w := ask(s, rt.Method, filledWith(rt, id), visitor, nil, map[string]string{"Sec-Fetch-Site": origin})
					if want == 0 && reached != 1 || want != 0 && (w.Code != want || reached != 0) || n.calls > 0 {
						t.Errorf("%s %s of %q as %q, %s: %d, carried out %d times, want %d", rt.Method, rt.Path, id, visitor, origin, w.Code, reached, want)
					}
				}
			}
		}
	}
}

// TestLimits checks what the table of routes says of accounts with groups.
func TestLimits(t *testing.T) {
	for _, rt := range allRoutes(t) {
		want := map[bool]string{true: "refused"}[rt.Public || rt.Need == schoolbell.ScopeAdmin]
		switch {
		case want != "":
		case strings.HasPrefix(rt.Path, "events/{id}"):
			want = "anEvent"
		case strings.HasPrefix(rt.Path, "people/{id}"):
			want = "aPerson"
		case strings.HasPrefix(rt.Path, "drafts/{id}"): // of the own account only
			want = "free or narrowed"
		case strings.Contains(rt.Path, "{") && rt.Path != "{$}":
			want = "a limit of its own: add it to this test"
		default:
			want = "free or narrowed"
		}
		names := map[site.Limit]string{site.Refused: "refused", site.Free: "free or narrowed", site.Narrowed: "free or narrowed", site.OfEvent: "anEvent", site.OfPerson: "aPerson"}
		if got := names[rt.Limit]; got != want {
			t.Errorf("%s %s: its limit is %q, want %q", rt.Method, rt.Path, got, want)
		}
	}
}

func TestComposeWithinGroups(t *testing.T) {
	form := func(more ...string) map[string][]string {
		f := map[string][]string{"key": {"k"}, "title": {"T"}, "body": {"B"}, "category": {"announcement"}, "channels": {"in_app"}}
		for _, field := range more {
			name, value, _ := strings.Cut(field, "=")
			f[name] = append(f[name], value)
		}
		return f
	}
	for _, c := range []struct {
		visitor string
		fields  []string
		sent    bool
	}{
		{"sender", []string{"roles=parent", "groups=8a"}, true},
		{"sender in 7a", []string{"groups=7a"}, true},
		{"sender in 7a", []string{"guardians=7a"}, true},
		{"sender in 7a,7b", []string{"groups=7a", "guardians=7b"}, true},
		{"sender in 7a", []string{"roles=parent"}, false},
		{"sender in 7a", []string{"groups=7a", "roles=staff"}, false},
		{"sender in 7a", []string{"groups=8a"}, false},
		{"sender in 7a", []string{"groups=7a", "guardians=8a"}, false},
	} {
		s, _, n := newGuarded(t, "")
		w := ask(s, http.MethodPost, Root+"compose", c.visitor, form(c.fields...), nil)
		if c.sent != (n.calls == 1) || !c.sent && w.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s sends %v: %d, %d calls", c.visitor, c.fields, w.Code, n.calls)
		}
		if _, groups, _ := strings.Cut(c.visitor, " in "); c.sent && strings.Join(n.created.CreatedWithin, ",") != groups {
			t.Errorf("%s: created within %v", c.visitor, n.created.CreatedWithin)
		}
	}
	s, _, _ := newGuarded(t, "")
	body := ask(s, http.MethodGet, Root+"compose", "sender in 7a", nil, nil).Body.String()
	if strings.Contains(body, `name="roles"`) || !strings.Contains(body, `name="groups" value="7a"`) {
		t.Errorf("the form offers more than the groups:\n%s", body)
	}
}
