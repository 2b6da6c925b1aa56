package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"schoolbell/internal/channel/push/vapid"
)

func TestPush(t *testing.T) {
	t.Parallel()
	key, err := vapid.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	private, err := key.Private()
	if err != nil {
		t.Fatal(err)
	}
	public, secret, contact := "PUSH_PUBLIC_KEY="+key.Public(), "PUSH_PRIVATE_KEY="+private, "PUSH_SUBJECT=mailto:office@hill.example"
	for name, c := range map[string]struct{ env, want []string }{
		"nothing":                   {nil, nil},
		"everything":                {[]string{public, secret, contact}, nil},
		"other services":            {[]string{public, secret, contact, "PUSH_SERVICES=push.example,*.push.example,127.0.0.1:8443,[::1]:8443,*", "OUTBOUND_ALLOW=127.0.0.1/32,::1"}, nil},
		"no private key":            {[]string{public, contact}, []string{"PUSH_PRIVATE_KEY"}},
		"no public key":             {[]string{secret, contact}, []string{"PUSH_PUBLIC_KEY"}},
		"no contact":                {[]string{public, secret}, []string{"PUSH_SUBJECT"}},
		"a contact on this machine": {[]string{public, secret, "PUSH_SUBJECT=mailto:admin@localhost"}, []string{"PUSH_SUBJECT"}},
		"keys that are no pair":     {[]string{"PUSH_PUBLIC_KEY=" + private, secret, contact}, []string{"PUSH_PRIVATE_KEY"}},
		"a URL for a service":       {[]string{"PUSH_SERVICES=https://push.example"}, []string{"PUSH_SERVICES"}},
		"a star within a name":      {[]string{"PUSH_SERVICES=push.*.example"}, []string{"PUSH_SERVICES"}},
		"a port that is none":       {[]string{"PUSH_SERVICES=push.example:0"}, []string{"PUSH_SERVICES"}},
		"no network":                {[]string{"OUTBOUND_ALLOW=localhost"}, []string{"OUTBOUND_ALLOW"}},
		"no connections":            {[]string{"PUSH_CONNECTIONS=0"}, []string{"PUSH_CONNECTIONS"}},
	} {
		cfg, err := load(t, "", c.env...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		err = cfg.Check()
		if diff := cmp.Diff(c.want, fields(t, err)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if err != nil && strings.Contains(err.Error(), private) {
			t.Errorf("%s: the private key is in %v", name, err)
		}
		if set := slices.Contains(c.env, public) || slices.Contains(c.env, secret); cfg.Push.SetUp() != set {
			t.Errorf("%s: set up is %v", name, cfg.Push.SetUp())
		}
	}
}
