package cli_test

import (
	"encoding/json"
	"fmt"
	"os/user"
	"slices"
	"testing"
	"time"

	"schoolbell/internal/cli"
	"schoolbell/internal/testenv"
)

func TestKeyRotate(t *testing.T) {
	t.Parallel()
	for name, ledger := range map[string]string{"SQLite": "DATA_DIR=" + t.TempDir(), "PostgreSQL": "DATABASE_URL=" + testenv.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := bare(ledger)
			serve := inProcess(t, append(env, "SCHOOLBELL_API_KEY="+testKey), "serve")
			admin := server{t, serve.says(urlLine), testKey}

			old := createKey(t, env, "Bus app", "send")
			r := inProcess(t, env, "key", "rotate", old.Fingerprint, "--grace", "1h", "--expires", "+30d", "--json")
			r.exits(0)
			var rotated struct {
				madeKey
				ExpiresAt time.Time `json:"expires_at"`
				Replaced  struct {
					Fingerprint string
					ExpiresAt   time.Time `json:"expires_at"`
				}
			}
			if err := json.Unmarshal([]byte(r.out.String()), &rotated); err != nil {
				t.Fatal(err)
			}
			if rotated.Name != "Bus app" || rotated.Scope != "send" || rotated.Secret == old.Secret || rotated.Replaced.Fingerprint != old.Fingerprint ||
				!rotated.Replaced.ExpiresAt.After(time.Now()) || !rotated.ExpiresAt.After(rotated.Replaced.ExpiresAt) {
				t.Errorf("rotated: %s", &r.out)
			}
			for _, secret := range []string{old.Secret, rotated.Secret} {
				server{t, admin.url, secret}.call("GET", "/v1/events", nil, nil)
			}
			again := inProcess(t, env, "key", "rotate", old.Fingerprint)
			again.says("^schoolbell: the API key was rotated before: rotate its new secret$")
			again.exits(1)
			var list struct {
				Keys []struct {
					Fingerprint string
					LastUsedAt  time.Time `json:"last_used_at"`
				}
			}
			testenv.Eventually(t, 10*time.Second, func() error { // a use is stored after the request
				seeded := inProcess(t, env, "key", "list", "--json")
				seeded.exits(0)
				list.Keys = nil
				if err := json.Unmarshal([]byte(seeded.out.String()), &list); err != nil || len(list.Keys) != 3 || list.Keys[1].LastUsedAt.IsZero() {
					return fmt.Errorf("the keys are %s (%w)", &seeded.out, err)
				}
				return nil
			}, "the use of a key is not listed")
			setting := inProcess(t, env, "key", "rotate", list.Keys[0].Fingerprint)
			setting.says("change the setting instead$")
			setting.exits(1)
			gone := inProcess(t, env, "key", "revoke", old.Fingerprint)
			gone.exits(0)

			account, err := user.Current()
			if err != nil {
				t.Fatal(err)
			}
			var audit struct {
				Items []struct {
					Action  string
					Actor   struct{ Kind, ID string }
					Target  struct{ Kind, ID string }
					Changes map[string]any
				}
			}
			admin.call("GET", "/v1/audit?target=key", nil, &audit)
			var actions []string
			for _, e := range audit.Items {
				actions = append(actions, e.Action)
				if e.Actor.Kind != "cli" || e.Actor.ID != account.Username || e.Action != "key.seed" && e.Target.ID != old.Fingerprint {
					t.Errorf("the audit has %+v", e)
				}
			}
			if want := []string{"key.revoke", "key.rotate", "key.create", "key.seed"}; !slices.Equal(actions, want) {
				t.Errorf("the audit has %v, want %v", actions, want)
			}
			serve.ends()
		})
	}
}

// An expiry that is taken is a time.
func FuzzParseExpiry(f *testing.F) {
	for _, text := range []string{"", "+90d", "+12h", "2027-07-31", "2027-07-31T18:00", "+99999999999999d", "+-1d", "d", "+d"} {
		f.Add(text)
	}
	now := time.Date(2026, 11, 2, 7, 10, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		at, err := cli.ParseExpiry(text, now)
		if err == nil && text != "" && text[0] == '+' && at.Before(now) {
			t.Errorf("%q is %v", text, at)
		}
	})
}
