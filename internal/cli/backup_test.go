package cli_test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"schoolbell/internal/testenv"
)

// test/fault restores the ledger of a school while an event is under way.
func TestBackup(t *testing.T) {
	t.Parallel()
	t.Run("backup and restore print JSON", testBackupJSON)
	t.Run("a ledger can be declared as restored", testBackupDeclared)
	t.Run("what cannot be backed up is explained", testBackupRefused)
}

type printedCopy struct {
	File     string
	MadeAt   string `json:"made_at"`
	Bytes    int
	Version  int
	Replaced string
}

func testBackupJSON(t *testing.T) {
	t.Parallel()
	env := bare("DATA_DIR=" + t.TempDir())
	file := filepath.Join(t.TempDir(), "backup.db")
	inProcess(t, env, "migrate").exits(0)
	var made, restored printedCopy
	for _, c := range []struct {
		command string
		into    *printedCopy
	}{{"backup", &made}, {"restore", &restored}} {
		r := inProcess(t, env, c.command, "--json", file)
		r.exits(0)
		if err := json.Unmarshal([]byte(r.out.String()), c.into); err != nil {
			t.Fatalf("%v: %s", err, &r.out)
		}
	}
	if made.File != file || made.Bytes == 0 || made.Version == 0 || made.MadeAt == "" || made.Replaced != "" {
		t.Errorf("backup printed %+v", made)
	}
	if restored.Replaced == "" || restored.MadeAt != made.MadeAt {
		t.Errorf("restore printed %+v, backup %+v", restored, made)
	}
}

func testBackupDeclared(t *testing.T) {
	t.Parallel()
	for name, ledger := range map[string]string{"SQLite": "DATA_DIR=" + t.TempDir(), "PostgreSQL": "DATABASE_URL=" + testenv.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := bare(ledger)
			r := inProcess(t, env, "mark-restored")
			r.says("this program needs")
			r.exits(1)
			inProcess(t, env, "migrate").exits(0)
			r = inProcess(t, env, "mark-restored")
			r.says("0 events are held")
			r.exits(0)
		})
	}
}

func testBackupRefused(t *testing.T) {
	t.Parallel()
	env := bare("DATA_DIR=" + t.TempDir())
	for command, says := range map[string]string{"backup": "there is no ledger at .*", "restore": "the ledger's file cannot be used"} {
		r := inProcess(t, env, command, filepath.Join(t.TempDir(), "none.db"))
		r.says(says)
		r.exits(1)
	}
}
