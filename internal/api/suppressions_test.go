package api_test

import (
	"testing"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/api"
	"schoolbell/wire"
)

func TestSuppressions(t *testing.T) {
	t.Parallel()
	t.Run("staff suppress an address and use it again", testSuppressionsLife)
	t.Run("invalid requests are rejected", testSuppressionsInvalid)
	t.Run("ids have one notation", testSuppressionsIDs)
}

func testSuppressionsLife(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, id := range []string{"u1", "u2", "u3"} {
		s.user(id)
		made, err := s.Suppress(t.Context(), wire.NewSuppression{Channel: schoolbell.ChannelEmail, Address: id + "@example.org", Reason: "asked by phone"})
		must(t, err)
		if len(made) != 1 || made[0].UserID != id || made[0].State != schoolbell.AddressStopped || made[0].Reason != "asked by phone" {
			t.Errorf("suppressed %+v", made)
		}
	}
	var all []wire.Suppression
	for p := (client.Page{Limit: 2}); ; {
		page, err := s.Suppressions(t.Context(), p)
		must(t, err)
		all = append(all, page.Suppressions...)
		if p.Cursor = page.Next; p.Cursor == "" {
			break
		}
	}
	if len(all) != 3 || all[2].Address != "u3@example.org" {
		t.Fatalf("suppressions %+v", all)
	}
	must(t, s.RemoveSuppression(t.Context(), all[0].ID))
	wantProblem(t, s.RemoveSuppression(t.Context(), all[0].ID), 404, "not_found", "")
	u, err := s.User(t.Context(), "u1")
	must(t, err)
	if u.Addresses[0].State != schoolbell.AddressUnverified {
		t.Errorf("the address is %s", u.Addresses[0].State)
	}
}

func testSuppressionsInvalid(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, c := range []struct {
		body        wire.NewSuppression
		status      int
		code, field string
	}{
		{wire.NewSuppression{Channel: schoolbell.ChannelInApp, Address: "u1@example.org"}, 422, "invalid", "channel"},
		{wire.NewSuppression{Channel: schoolbell.ChannelEmail, Address: "nobody"}, 422, "invalid", "address"},
		{wire.NewSuppression{Channel: schoolbell.ChannelEmail, Address: "a@b.example", Reason: "two\nlines"}, 422, "invalid", "reason"},
		{wire.NewSuppression{Channel: schoolbell.ChannelEmail, Address: "nobody@example.org"}, 404, "not_found", ""},
	} {
		_, err := s.Suppress(t.Context(), c.body)
		wantProblem(t, err, c.status, c.code, c.field)
	}
	for _, forged := range []string{"1.2", "x.1.1", "1.1.1.1", "01.1.1", "1.99999.1"} {
		text, err := api.Cursor{Kind: "suppressions", ID: forged}.Encode()
		must(t, err)
		_, err = s.Suppressions(t.Context(), client.Page{Cursor: text})
		wantProblem(t, err, 422, "invalid", "cursor")
	}
}

func testSuppressionsIDs(t *testing.T) {
	t.Parallel()
	k := schoolbell.SuppressionKey{User: 12, Channel: schoolbell.ChannelEmail, Digest: schoolbell.AddressDigest("a@b.example")}
	if got, err := schoolbell.ParseSuppressionKey(k.String()); err != nil || got != k {
		t.Errorf("%s is read as %+v (%v)", k, got, err)
	}
	for _, bad := range []string{"", "12", "12.email", "0.email." + k.Digest, "012.email." + k.Digest, "12.E." + k.Digest, k.String() + "0", k.String() + ".1"} {
		if _, err := schoolbell.ParseSuppressionKey(bad); schoolbell.CodeOf(err) != schoolbell.CodeNotFound {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
