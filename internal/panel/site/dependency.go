package site

import (
	"schoolbell"
	"schoolbell/internal/health"
)

// Dependency is something that the server needs, and whether it works.
type Dependency struct{ Name, Icon, Detail, Status, Word string }

// DependencyOf says whether a dependency works, as pages show it.
func DependencyOf(d health.DependencyStatus) Dependency {
	shown := Dependency{Name: StatusWord(d.Name), Icon: "i-server", Detail: d.Detail, Status: "up", Word: "Works"}
	switch d.Name {
	case "ledger":
		shown.Icon = "i-db"
	case "redis":
		shown.Icon = "i-stack"
	default:
		shown.Name, shown.Icon = ChannelName(schoolbell.Channel(d.Name)), ChannelIcon(schoolbell.Channel(d.Name))
	}
	if shown.Detail == "" {
		shown.Detail = "answered in " + Number(int(d.TookMS)) + " ms"
	}
	if d.Status != "ok" {
		shown.Status, shown.Word = "down", "Unavailable"
	}
	return shown
}
