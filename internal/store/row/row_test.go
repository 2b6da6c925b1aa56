package row

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
)

// The numbers are in every ledger there is: this test is what keeps them.
func TestNumbers(t *testing.T) {
	t.Parallel()
	got := map[string]int{}
	for _, s := range schoolbell.DeliveryStatuses() {
		got[string(s)] = StatusNumber(s)
		if Status(StatusNumber(s)) != s {
			t.Errorf("status %s does not come back", s)
		}
		if s.Terminal() != (StatusNumber(s) >= Sent) {
			t.Errorf("status %s is on the wrong side of sent", s)
		}
	}
	for _, o := range append(schoolbell.Outcomes(), "") {
		got["outcome "+string(o)] = OutcomeNumber(o)
		if Outcome(OutcomeNumber(o)) != o {
			t.Errorf("outcome %s does not come back", o)
		}
	}
	for _, s := range schoolbell.AddressStates() {
		got["address "+string(s)] = StateNumber(s)
		if State(StateNumber(s)) != s {
			t.Errorf("state %s does not come back", s)
		}
	}
	want := map[string]int{"pending": Pending, "sending": Sending, "sent": Sent, "failed": Failed, "suppressed": Suppressed,
		"uncertain": Uncertain, "cancelled": Cancelled, "expired": Expired,
		"outcome ": 0, "outcome delivered": 1, "outcome bounced": 2, "outcome complained": 3, "outcome read": 4, "outcome acknowledged": 5,
		"address unverified": AddressUnverified, "address good": AddressGood, "address bounced": 2, "address complained": 3, "address stopped": 4, "address suspended": 5}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestPieces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ids  string
		want string
	}{
		{"", "[]"}, {"a", "[a]"}, {"abc", "[abc]"}, {"abcd", "[abc d]"}, {"aba", "[ab a]"}, {"aaa", "[a a a]"}, {"abcabc", "[abc abc]"}, {"abbc", "[ab bc]"},
	} {
		var users []*schoolbell.User
		for _, r := range c.ids {
			users = append(users, &schoolbell.User{ID: string(r)})
		}
		got := []string{}
		for _, piece := range Pieces(users, 3) {
			s := ""
			for _, u := range piece {
				s += u.ID
			}
			got = append(got, s)
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("pieces of %q: %v, want %s", c.ids, got, c.want)
		}
	}
}
