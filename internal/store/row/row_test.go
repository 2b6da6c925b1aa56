package row

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
)

// The numbers are in every ledger there is: this test is what keeps them.
func TestNumbersNeverChange(t *testing.T) {
	t.Parallel()
	got := map[string]int{}
	for _, c := range schoolbell.Channels() {
		got[string(c)] = ChannelNumber(c)
		if Channel(ChannelNumber(c)) != c {
			t.Errorf("channel %s does not come back", c)
		}
	}
	for _, s := range schoolbell.DeliveryStatuses() {
		got[string(s)] = StatusNumber(s)
		if Status(StatusNumber(s)) != s {
			t.Errorf("status %s does not come back", s)
		}
		if s.Terminal() != (StatusNumber(s) >= Sent) {
			t.Errorf("status %s is on the wrong side of sent", s)
		}
	}
	want := map[string]int{"in_app": InApp, "email": 2, "sms": 3, "push": 4, "pending": Pending, "sending": Sending, "sent": Sent,
		"delivered": Delivered, "failed": Failed, "suppressed": Suppressed, "uncertain": Uncertain, "cancelled": Cancelled, "expired": Expired}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if ChannelNumber("") != 0 || Channel(0) != "" {
		t.Error("no channel is not zero")
	}
}

func TestPiecesNameNobodyTwice(t *testing.T) {
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
