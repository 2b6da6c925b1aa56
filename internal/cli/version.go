package cli

import (
	"context"
	"runtime"
	"runtime/debug"
)

type versionCmd struct {
	JSON bool `name:"json" help:"Print as JSON."`
}

// Run prints the version.
func (c *versionCmd) Run(_ context.Context, a *program) error {
	v := a.version()
	if c.JSON {
		return a.printJSON(map[string]string{"version": v, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH})
	}
	a.say("schoolbell %s (%s, %s/%s)", v, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// version is the one the linker was given, else the module's or the commit's as
// the build noted it.
func (a *program) version() string {
	if a.Process.Version != "" {
		return a.Process.Version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "dev-" + s.Value[:min(12, len(s.Value))]
		}
	}
	return "dev"
}
