package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/store/sqlite"
	"schoolbell/internal/testenv"
)

type madeKey struct{ Fingerprint, Name, Scope, Secret string }

func createKey(t *testing.T, env []string, name, scope string) (k madeKey) {
	t.Helper()
	r := inProcess(t, env, "key", "create", "--name", name, "--scope", scope, "--json")
	r.exits(0)
	if err := json.Unmarshal([]byte(r.out.String()), &k); err != nil {
		t.Fatalf("%v: %s", err, &r.out)
	}
	return k
}

// refuses reports that the server answers the key with status.
func (s server) refuses(method, path, status string) error {
	err := s.try(method, path, map[string]any{}, nil)
	if err == nil || !strings.Contains(err.Error(), ": "+status+" ") {
		return fmt.Errorf("%s %s: %v, want %s", method, path, err, status)
	}
	return nil
}

func TestKey(t *testing.T) {
	t.Parallel()
	t.Run("a key works within its scope until it is revoked", testKeyScope)
	t.Run("an ambiguous fingerprint revokes nothing", testKeyAmbiguousFingerprint)
}

func testKeyScope(t *testing.T) {
	t.Parallel()
	for name, ledger := range map[string]string{"SQLite": "DATA_DIR=" + t.TempDir(), "PostgreSQL": "DATABASE_URL=" + testenv.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := bare(ledger)
			serve := inProcess(t, append(env, "SCHOOLBELL_API_KEY="+testKey), "serve")
			admin := server{t, serve.says(urlLine), testKey}
			admin.people(1)

			bus, screen := createKey(t, env, "Bus app", "send"), createKey(t, env, "Screen", "read")
			sender, reader := server{t, admin.url, bus.Secret}, server{t, admin.url, screen.Secret}
			sender.announce()
			reader.call("GET", "/v1/events", nil, nil)
			for _, err := range []error{
				sender.refuses("PUT", "/v1/users/u9", "403"),
				sender.refuses("POST", "/v1/queues/event-notifications/pause", "403"),
				reader.refuses("POST", "/v1/events", "403"),
			} {
				if err != nil {
					t.Error(err)
				}
			}

			revoke := inProcess(t, env, "key", "revoke", bus.Fingerprint)
			revoke.says("^Key " + bus.Fingerprint + ", name Bus app, scope send, is revoked. Servers reject it within 5 seconds")
			revoke.exits(0)
			testenv.Eventually(t, patience, func() error { return sender.refuses("GET", "/v1/events", "401") }, "the revoked key is refused")
			reader.call("GET", "/v1/events", nil, nil)
			again := inProcess(t, env, "key", "revoke", bus.Fingerprint)
			again.says(`^schoolbell: no API key "` + bus.Fingerprint + `"$`)
			again.exits(1)

			seeded := inProcess(t, env, "key", "list", "--json")
			seeded.exits(0)
			var list struct{ Keys []madeKey }
			if err := json.Unmarshal([]byte(seeded.out.String()), &list); err != nil || len(list.Keys) != 2 || list.Keys[0].Name != "SCHOOLBELL_API_KEY" {
				t.Fatalf("the keys are %s (%v)", &seeded.out, err)
			}
			last := inProcess(t, env, "key", "revoke", list.Keys[0].Fingerprint)
			last.says("A server that starts with this key in SCHOOLBELL_API_KEY creates it again")
			last.exits(0)
			serve.ends()
		})
	}
}

func testKeyAmbiguousFingerprint(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "schoolbell.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	keys := sqlite.Auth{DB: db}
	for _, b := range []byte{1, 2} {
		k := schoolbell.APIKey{Digest: append([]byte{0xab, 0xcd}, bytes.Repeat([]byte{b}, 30)...), Name: "x", Scope: schoolbell.ScopeRead, CreatedAt: time.Now()}
		if err := keys.PutAPIKey(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	r := inProcess(t, bare("DATA_DIR="+dir), "key", "revoke", "abcd")
	r.says("^schoolbell: 2 API keys have fingerprints that begin with abcd$")
	r.says("→ use the whole fingerprint")
	r.exits(1)
	if all, err := keys.ListAPIKeys(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("%d keys are left, %v", len(all), err)
	}
}
