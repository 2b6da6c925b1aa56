package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"schoolbell/internal/testenv"
)

const installed = "/usr/local/bin/schoolbell" // where the units look for the program

// unit maps a key of a systemd unit to its values, in order.
type unit map[string][]string

func readUnit(t *testing.T, name string) unit {
	t.Helper()
	u, section := unit{}, ""
	for line := range strings.SplitSeq(read(t, "deploy/systemd/"+name), "\n") {
		switch line = strings.TrimSpace(line); {
		case line == "", strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			section = strings.Trim(line, "[]")
		default:
			key, value, ok := strings.Cut(line, "=")
			if !ok {
				t.Errorf("%s: %q is not key=value", name, line)
			}
			u[section+"."+key] = append(u[section+"."+key], value)
		}
	}
	return u
}

var units = []string{"schoolbell-serve.service", "schoolbell-worker@.service"}

func TestSystemdUnits(t *testing.T) {
	t.Parallel()
	t.Run("units run known commands with known settings", testSystemdUnitCommands)
	t.Run("memory and tasks are limited", testSystemdUnitLimits)
	t.Run("systemd accepts the units", testSystemdUnitsVerify)
}

func testSystemdUnitCommands(t *testing.T) {
	t.Parallel()
	for _, name := range units {
		u := readUnit(t, name)
		for _, command := range append(u["Service.ExecStartPre"], u["Service.ExecStart"]...) {
			args := strings.Fields(command)
			if args[0] != installed {
				t.Errorf("%s runs %s", name, args[0])
			}
			checkCommand(t, name, args[1:]...)
		}
		for _, pair := range u["Service.Environment"] {
			env, _, _ := strings.Cut(pair, "=")
			checkSetting(t, name, env)
		}
		for key, want := range map[string]string{
			"Service.Restart": "always", "Service.KillSignal": "SIGTERM", "Service.NoNewPrivileges": "yes",
			"Service.ProtectSystem": "strict", "Service.DynamicUser": "yes", "Install.WantedBy": "multi-user.target",
		} {
			if got := strings.Join(u[key], " "); got != want {
				t.Errorf("%s: %s=%s, want %s", name, key, got, want)
			}
		}
		stop, err := time.ParseDuration(strings.Join(u["Service.TimeoutStopSec"], "") + "s")
		if err != nil || stop <= grace(t) {
			t.Errorf("%s is killed after %v (%v), before the %v it may take to stop", name, stop, err, grace(t))
		}
	}
}

func testSystemdUnitLimits(t *testing.T) {
	t.Parallel()
	for _, name := range units {
		u := readUnit(t, name)
		for key, form := range map[string]string{"Service.MemoryMax": `^[1-9][0-9]*[MG]$`, "Service.TasksMax": `^[1-9][0-9]{2,3}$`} {
			if got := strings.Join(u[key], " "); !regexp.MustCompile(form).MatchString(got) {
				t.Errorf("%s: %s=%s, want one limit of the form %s", name, key, got, form)
			}
		}
	}
}

// testSystemdUnitsVerify asks systemd itself where it is installed; the
// test above holds without it.
func testSystemdUnitsVerify(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("systemd-analyze is not installed: the units were checked by their structure only")
		return
	}
	dir := t.TempDir()
	for _, name := range units {
		text := strings.ReplaceAll(read(t, "deploy/systemd/"+name), installed, testenv.Binary(t))
		file := filepath.Join(dir, strings.Replace(name, "@.", "@1.", 1))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(analyze, "verify", "--man=no", file).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
