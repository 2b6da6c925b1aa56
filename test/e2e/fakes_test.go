package e2e

import (
	"encoding/json"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

// printedSetting is a line with which a fake says how to use it.
var printedSetting = regexp.MustCompile(`(?m)^  ([A-Z_]+=\S.*)$`)

// A developer runs a fake, sets what it prints, and tests the channel with it.
func TestFakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ fake, hint, good, bad, told string }{
		{"ses", "Other email is delivered.", "ada@people.hill.example", "bounce.bob@people.hill.example", "bounced"},
		{"sendgrid", "Other email is delivered.", "ada@people.hill.example", "reject.bob@people.hill.example", "failed"},
		{"twilio", "/fake/inbound", "+31612345678", "+31612330005", "bounced"},
	} {
		t.Run(c.fake, func(t *testing.T) {
			t.Parallel()
			f := runFake(t, c.fake, c.hint, nil)
			r := f.Run(f.settings, "channel", "test", c.good)
			if r.Code != 0 || !strings.Contains(r.Out, "delivered: ") || !strings.Contains(r.Out, "The channel works, and so do the receipts.") {
				t.Errorf("exit code %d:\n%s%s", r.Code, r.Out, r.Err)
			}
			r = f.Run(f.settings, "channel", "test", c.bad)
			if r.Code != 1 || !strings.Contains(r.Out, c.told) || !strings.Contains(r.Err, "the message did not arrive") {
				t.Errorf("a message that does not arrive: exit code %d:\n%s%s", r.Code, r.Out, r.Err)
			}
			if page, err := f.Client.Users(t.Context(), client.Page{Limit: 10}); err != nil || len(page.Users) != 0 {
				t.Errorf("users of the tests are left: %+v, %v", page, err)
			}
			f.refuses(t, c.good)
		})
	}
	t.Run("push", testFakePush)
}

// fakeSchool is a school that uses a fake of schoolbell fake.
type fakeSchool struct {
	*system.School
	settings []string // that the fake printed, and those given
}

// runFake runs a fake, which prints hint in the end, and a school that uses it.
func runFake(t *testing.T, name, hint string, settings []string) fakeSchool {
	t.Helper()
	f := fakeSchool{system.New(t, system.Parts{SMTP: system.NewMail(t).Addr()}), settings}
	args := []string{"fake", name, "--addr", net.JoinHostPort("127.0.0.1", strconv.Itoa(testenv.FreePort(t)))}
	if name != "push" {
		args = append(args, "--server", f.URL)
	}
	provider := f.Launch("fake", args...)
	provider.Await(hint)
	for _, match := range printedSetting.FindAllStringSubmatch(provider.Output(), -1) {
		f.settings = append(f.settings, match[1])
	}
	serve := f.LaunchWith(f.settings, "serve", "serve")
	f.AwaitReady()
	t.Cleanup(func() {
		serve.Stop()
		provider.Stop()
	})
	return f
}

// refuses expects that a suppressed address is not tested.
func (f fakeSchool) refuses(t *testing.T, address string) {
	t.Helper()
	u, channel := schoolbell.User{ID: "ada", Name: "Ada", Email: address, Roles: []schoolbell.Role{schoolbell.RoleParent}}, schoolbell.ChannelEmail
	if strings.HasPrefix(address, "+") {
		u.Email, u.Phone, channel = "", address, schoolbell.ChannelSMS
	}
	if _, _, err := f.Client.PutUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Client.Suppress(t.Context(), wire.NewSuppression{Channel: channel, Address: address, Reason: "asked by phone"}); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{address}, {"--channel", string(channel), "ada"}} {
		r := f.Run(f.settings, append([]string{"channel", "test"}, args...)...)
		if r.Code != 1 || !strings.Contains(r.Err, "nothing is sent to the address: it is stopped (asked by phone)") {
			t.Errorf("channel test %v: exit code %d:\n%s%s", args, r.Code, r.Out, r.Err)
		}
	}
}

func testFakePush(t *testing.T) {
	t.Parallel()
	keys, _ := secretsOf(t)
	f := runFake(t, "push", "are throttled.", keys)
	if _, _, err := f.Client.PutUser(t.Context(), schoolbell.User{ID: "anne", Name: "Anne", Roles: []schoolbell.Role{schoolbell.RoleParent}}); err != nil {
		t.Fatal(err)
	}
	r := f.Run(f.settings, "channel", "test", "--channel", "push", "anne")
	if r.Code != 1 || !strings.Contains(r.Err, "the user has no address on the channel push") {
		t.Errorf("without a device: exit code %d:\n%s%s", r.Code, r.Out, r.Err)
	}
	i := slices.IndexFunc(f.settings, func(s string) bool { return strings.HasPrefix(s, "PUSH_SERVICES=") })
	host := strings.TrimPrefix(f.settings[i], "PUSH_SERVICES=")
	_, subscription, _ := strings.Cut(ask(t, http.MethodPost, "http://"+host+"/fake/browsers", ""), "{")
	var device wire.DeviceRequest
	if err := json.Unmarshal([]byte("{"+subscription), &device); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Client.AddDevice(t.Context(), "anne", device); err != nil {
		t.Fatal(err)
	}
	r = f.Run(f.settings, "channel", "test", "--channel", "push", "--json", "anne")
	var told struct {
		Status   string `json:"status"`
		Receipts bool   `json:"receipts"`
		OK       bool   `json:"ok"`
	}
	if err := json.Unmarshal([]byte(r.Out), &told); err != nil || r.Code != 0 || told.Status != "sent" || told.Receipts || !told.OK {
		t.Errorf("exit code %d, %v:\n%s%s", r.Code, err, r.Out, r.Err)
	}
}
