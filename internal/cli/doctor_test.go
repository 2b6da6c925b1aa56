package cli_test

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// snapshot describes a folder and what is in it: names, modes, times and contents, but not those of files that change.
func snapshot(t *testing.T, dir string, changing ...string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %v %v", path, info.Mode(), info.ModTime().UnixNano())
		if info.Mode().IsRegular() && !slices.Contains(changing, d.Name()) {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %d %x", len(text), sha256.Sum256(text))
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// copyLedger copies the files of a ledger that is in use, as a crash would leave them.
func copyLedger(t *testing.T, from, to string, ends ...string) {
	t.Helper()
	for _, end := range ends {
		text, err := os.ReadFile(filepath.Join(from, "schoolbell.db"+end))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, "schoolbell.db"+end), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func privateDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	t.Run("nothing on disk is changed", testDoctorReadOnly)
}

func testDoctorReadOnly(t *testing.T) {
	t.Parallel() // in processes of their own, as within one process SQLite shares what it has open
	dir := privateDir(t)
	serve := spawn(t, bare("DATA_DIR="+dir, "SCHOOLBELL_API_KEY="+testKey), "serve")
	server{t, serve.says(urlLine), testKey}.people(3)

	crashed, noIndex := privateDir(t), privateDir(t)
	copyLedger(t, dir, crashed, "", "-wal", "-shm")
	copyLedger(t, dir, noIndex, "", "-wal")
	empty := privateDir(t)
	if err := os.WriteFile(filepath.Join(empty, "schoolbell.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	looksAt := func(name, dir, want string, running ...string) {
		t.Helper()
		before := snapshot(t, dir, running...)
		d := spawn(t, bare("DATA_DIR="+dir), "doctor")
		d.says(`^ok +data folder +\S+ is writable$`)
		d.says(want)
		d.exits(0)
		if after := snapshot(t, dir, running...); after != before {
			t.Errorf("%s:\n%s\nbefore:\n%s", name, after, before)
		}
	}
	const current = `^ok +ledger +SQLite .*, version \d+$`
	looksAt("a ledger in use", dir, current, "schoolbell.db-shm") // in which each reader notes how far it reads
	serve.ends()
	looksAt("a ledger that was closed", dir, current)
	looksAt("a ledger after a crash", crashed, current)
	looksAt("an empty file", empty, `^warn +ledger +.* is reachable and empty$`)
	looksAt("a log without its index", noIndex, `^(ok|warn) +ledger +`)

	broken := privateDir(t)
	if err := os.WriteFile(filepath.Join(broken, "schoolbell.db"), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, broken)
	d := spawn(t, bare("DATA_DIR="+broken), "doctor")
	d.says(`^fail +ledger +.*not a database`)
	d.exits(1)
	if after := snapshot(t, broken); after != before {
		t.Errorf("a file that is no database:\n%s\nbefore:\n%s", after, before)
	}
}

func TestReadableDataFolder(t *testing.T) {
	t.Parallel()
	warning := regexp.MustCompile(`level=WARN msg="other users of this machine can read the data folder" open=.*`)
	dir := privateDir(t)
	env := bare("DATA_DIR="+dir, "SCHOOLBELL_API_KEY="+testKey)
	private := inProcess(t, env, "serve")
	private.says(urlLine)
	private.ends()
	if got := warning.FindString(private.err.String()); got != "" {
		t.Errorf("of a private folder it says %s", got)
	}
	ledger := filepath.Join(dir, "schoolbell.db")
	for _, c := range []struct {
		folder, file os.FileMode
		want         string
	}{{0o750, 0o600, "[" + dir + "]"}, {0o755, 0o644, dir + " " + ledger}, {0o700, 0o644, ""}} {
		if err := os.Chmod(dir, c.folder); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(ledger, c.file); err != nil {
			t.Fatal(err)
		}
		serve := inProcess(t, env, "serve")
		serve.says(urlLine)
		serve.ends()
		worker := inProcess(t, append(env, fmt.Sprintf("REDIS_PORT=%d", 1), catchAll), "worker")
		worker.says("Redis is unavailable, waiting for it")
		worker.ends()
		for _, r := range []*running{serve, worker} {
			found := warning.FindAllString(r.err.String(), -1)
			if c.want == "" && len(found) > 0 || c.want != "" && (len(found) != 1 || !strings.Contains(found[0], c.want)) {
				t.Errorf("folder %o, file %o: it says %q, want %s once", c.folder, c.file, found, c.want)
			}
		}
	}
}
