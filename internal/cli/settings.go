package cli

import (
	"context"

	"schoolbell/internal/config"
)

type configCmd struct {
	JSON   bool          `name:"json" help:"Print as JSON."`
	Config config.Config `embed:""`
}

// Run prints every setting in effect and where it came from.
func (c *configCmd) Run(_ context.Context, a *program) error {
	if err := a.load(&c.Config); err != nil {
		return err
	}
	lines := c.Config.InForce()
	if c.JSON {
		return a.printJSON(settingsJSON(lines))
	}
	group := ""
	t := newTable("SETTING", "FROM", "VALUE")
	flush := func() {
		if group != "" {
			a.say("%s", a.style.bold(groupTitle(group)))
			t.print(a.Out, a.style)
			a.say("")
			t.rows = nil
		}
	}
	for _, l := range lines {
		if l.Setting.Group != group {
			flush()
			group = l.Setting.Group
		}
		value := l.Value
		if value == "" {
			value = "-"
		}
		t.add(l.Setting.Env, string(l.Origin), value)
	}
	flush()
	a.say("Ledger  %s", c.Config.LedgerName())
	a.say("Redis   %s", c.Config.Redis.Name())
	return nil
}

type settingJSON struct {
	Value  string `json:"value"`
	Origin string `json:"origin"`
	Flag   string `json:"flag"`
	Secret bool   `json:"secret,omitempty"`
}

func settingsJSON(lines []config.Line) map[string]settingJSON {
	out := make(map[string]settingJSON, len(lines))
	for _, l := range lines {
		out[l.Setting.Env] = settingJSON{Value: l.Value, Origin: string(l.Origin), Flag: "--" + l.Setting.Flag, Secret: l.Setting.Secret}
	}
	return out
}

func groupTitle(key string) string {
	for _, g := range config.Groups() {
		if g[0] == key {
			return g[1]
		}
	}
	return key
}
