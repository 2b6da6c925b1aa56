package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"schoolbell/internal/testenv"
)

func keyFiles(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "api-key-*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestFirstKey(t *testing.T) {
	t.Parallel()
	t.Run("a key that cannot be written to a file is not stored", testFirstKeyUnwritable)
	t.Run("a key that cannot be stored leaves no file", testFirstKeyUnstorable)
}

func testFirstKeyUnwritable(t *testing.T) {
	t.Parallel()
	database, dir := "DATABASE_URL="+testenv.Postgres(t), t.TempDir()
	blocked := filepath.Join(dir, "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, unwritable := range []string{blocked, filepath.Join(blocked, "data")} {
		r := inProcess(t, bare(database, "DATA_DIR="+unwritable), "serve")
		r.says("^schoolbell: write the first API key to a file: ")
		r.says("→ let this user write to DATA_DIR, or set SCHOOLBELL_API_KEY; no key was made$")
		r.exits(1)
	}
	list := inProcess(t, bare(database), "key", "list")
	list.exits(0)
	list.says("^No API keys.$")

	serve := inProcess(t, bare(database, "DATA_DIR="+dir), "serve")
	url, file := serve.says(urlLine), serve.says(`API key, written to (\S+): read it`)
	secret, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	server{t, url, strings.TrimSpace(string(secret))}.people(1)
	serve.ends()
}

func testFirstKeyUnstorable(t *testing.T) {
	t.Parallel()
	url, dir := testenv.Postgres(t), t.TempDir()
	env := bare("DATABASE_URL="+url, "DATA_DIR="+dir)
	inProcess(t, env, "migrate").exits(0)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `
		CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room for keys'; END $$;
		CREATE TRIGGER refuse BEFORE INSERT ON api_keys FOR EACH ROW EXECUTE FUNCTION refuse()`); err != nil {
		t.Fatal(err)
	}
	r := inProcess(t, env, "serve")
	r.says("no room for keys")
	r.exits(1)
	if found := keyFiles(t, dir); len(found) > 0 {
		t.Errorf("left: %v", found)
	}
	if _, err := conn.Exec(t.Context(), "DROP TRIGGER refuse ON api_keys"); err != nil {
		t.Fatal(err)
	}
	serve := inProcess(t, env, "serve")
	file := serve.says(`API key, written to (\S+): read it`)
	serve.ends()
	if found := keyFiles(t, dir); len(found) != 1 || found[0] != file {
		t.Errorf("files %v, want %s", found, file)
	}
}
