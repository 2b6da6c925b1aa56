package cli

import (
	"context"
	"errors"
	"fmt"

	"schoolbell"
	"schoolbell/internal/config"
	"schoolbell/internal/doctor"
)

type doctorCmd struct {
	Live   bool          `name:"live" help:"Only check that the process at HTTP_ADDR is running, for container health checks."`
	JSON   bool          `name:"json" help:"Print as JSON."`
	Config config.Config `embed:""`
}

// Run looks at every dependency and says how to fix what is wrong.
func (c *doctorCmd) Run(ctx context.Context, a *program) error {
	err := a.load(&c.Config)
	if c.Live {
		if err != nil {
			return err
		}
		return doctor.Live(ctx, c.Config.HTTP.LocalURL(c.Config.HTTP.Addr))
	}
	found := doctor.OfSettings(faultsOfSettings(err), a.envFile)
	if err == nil {
		found = doctor.Examine(ctx, &c.Config, config.Exposed(a.sources()))
	}
	return a.report(found, c.JSON)
}

// faultsOfSettings returns the faults that load found.
func faultsOfSettings(err error) schoolbell.Faults {
	if e, ok := errors.AsType[*settingsError](err); ok {
		return e.faults
	}
	return schoolbell.FaultsOf(err)
}

func (a *program) report(found []doctor.Finding, asJSON bool) error {
	worst := doctor.OK
	width := 0
	for _, f := range found {
		if f.Status == doctor.Fail || f.Status == doctor.Warn && worst == doctor.OK {
			worst = f.Status
		}
		width = max(width, len(f.Name))
	}
	if asJSON {
		if err := a.printJSON(map[string]any{"ok": worst != doctor.Fail, "checks": found}); err != nil {
			return err
		}
	} else {
		a.printFindings(found, width, worst)
	}
	if worst == doctor.Fail {
		return quietError{}
	}
	return nil
}

func (a *program) printFindings(found []doctor.Finding, width int, worst doctor.Status) {
	paint := map[doctor.Status]func(string) painted{doctor.OK: a.style.good, doctor.Warn: a.style.warn, doctor.Fail: a.style.bad}
	for _, f := range found {
		mark := paint[f.Status](fmt.Sprintf("%-4s", f.Status))
		a.say("%s  %-*s  %s", mark, width, f.Name, f.Detail)
		if f.Fix != "" {
			a.say("      %-*s  %s", width, "", a.style.dim("→ "+f.Fix))
		}
	}
	a.say("")
	a.say("%s", paint[worst](map[doctor.Status]string{
		doctor.OK: "All checks passed.", doctor.Warn: "All checks passed, with warnings.", doctor.Fail: "Some checks failed.",
	}[worst]))
}
