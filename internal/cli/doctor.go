package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"schoolbell/internal/app"
	"schoolbell/internal/config"
)

type doctorCmd struct {
	Live   bool          `name:"live" help:"Only ask the process at HTTP_ADDR whether it lives, for health checks of containers."`
	JSON   bool          `name:"json" help:"Print as JSON."`
	Config config.Config `embed:""`
}

// verdict is how a dependency is.
type verdict string

const (
	verdictOK   verdict = "ok"
	verdictWarn verdict = "warn"
	verdictFail verdict = "fail"
)

// finding is what one check found.
type finding struct {
	Name   string  `json:"name"`
	Status verdict `json:"status"`
	Detail string  `json:"detail"`
	Mend   string  `json:"mend,omitempty"` // what to do about it
}

func fine(format string, args ...any) finding {
	return finding{Status: verdictOK, Detail: fmt.Sprintf(format, args...)}
}

func doubtful(mend, format string, args ...any) finding {
	return finding{Status: verdictWarn, Detail: fmt.Sprintf(format, args...), Mend: mend}
}

func broken(mend, format string, args ...any) finding {
	return finding{Status: verdictFail, Detail: fmt.Sprintf(format, args...), Mend: mend}
}

// Run looks at every dependency and says how to mend what is wrong.
func (c *doctorCmd) Run(ctx context.Context, a *program) error {
	err := a.load(&c.Config)
	if c.Live {
		if err != nil {
			return err
		}
		return live(ctx, config.LocalURL(c.Config.HTTP.Addr))
	}
	var found []finding
	for _, f := range faultsOfSettings(err) {
		found = append(found, named("settings", broken("set it by flag, in the environment or in "+a.envFile, "%s: %s", f.Field, f.Message)))
	}
	if err == nil {
		found = examine(ctx, &c.Config)
		for _, path := range config.Exposed(&config.Config{}, a.sources()) {
			found = append(found, named("secrets", doubtful("chmod 600 "+path, "other users of this machine may read %s", path)))
		}
	}
	return a.report(found, c.JSON)
}

// examine makes every check. Each has its own time limit.
func examine(ctx context.Context, cfg *config.Config) []finding {
	found := []finding{named("settings", fine("all %d can be used", len(config.Settings())))}
	for _, c := range []struct {
		name  string
		check func(context.Context, *config.Config) finding
	}{
		{"data folder", checkFolder}, {"ledger", checkLedger}, {"Redis", checkRedis}, {"e-mail", checkMail}, {"clock", checkClock}, {"API", checkAPI},
	} {
		found = append(found, named(c.name, c.check(ctx, cfg)))
	}
	return found
}

func named(name string, f finding) finding {
	f.Name = name
	return f
}

func (a *program) report(found []finding, asJSON bool) error {
	worst := verdictOK
	width := 0
	for _, f := range found {
		if f.Status == verdictFail || f.Status == verdictWarn && worst == verdictOK {
			worst = f.Status
		}
		width = max(width, len(f.Name))
	}
	if asJSON {
		if err := a.printJSON(map[string]any{"ok": worst != verdictFail, "checks": found}); err != nil {
			return err
		}
	} else {
		a.printFindings(found, width, worst)
	}
	if worst == verdictFail {
		return quietError{}
	}
	return nil
}

func (a *program) printFindings(found []finding, width int, worst verdict) {
	paint := map[verdict]func(string) painted{verdictOK: a.style.good, verdictWarn: a.style.warn, verdictFail: a.style.bad}
	for _, f := range found {
		mark := paint[f.Status](fmt.Sprintf("%-4s", f.Status))
		a.say("%s  %-*s  %s", mark, width, f.Name, f.Detail)
		if f.Mend != "" {
			a.say("      %-*s  %s", width, "", a.style.dim("→ "+f.Mend))
		}
	}
	a.say("")
	a.say("%s", paint[worst](map[verdict]string{
		verdictOK: "All is well.", verdictWarn: "It works; see the warnings.", verdictFail: "It does not work yet; see the failures.",
	}[worst]))
}

// live asks for /livez and says nothing when all is well.
func live(ctx context.Context, base string) error {
	if _, err := get(ctx, base+"/livez"); err != nil {
		return fmt.Errorf("%s does not live: %s", base, app.Reason(err))
	}
	return nil
}

// get reads a small page and takes any status but 200 for an error.
func get(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return string(body), fmt.Errorf("it answers %s", strings.ToLower(resp.Status))
	}
	return string(body), nil
}
