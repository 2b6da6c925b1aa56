package site

import (
	"schoolbell"
	"schoolbell/internal/health"
)

// Outage is something that is unavailable, and what follows from it.
type Outage struct {
	Name  string
	Since Moment // without an ISO time if it is not known
	Says  string
}

// outagePart is the name of the part of open pages with the outages.
const outagePart = "outages"

// outagesOf are those of what the server needs.
func (s *Site) outagesOf(r health.Readiness) (found []Outage) {
	for _, d := range r.Dependencies {
		if shown := DependencyOf(d); shown.Status != "up" {
			found = append(found, Outage{shown.Name, s.When(d.Since), outageWords(d.Name)})
		}
	}
	return found
}

// outageWords say what works without a dependency, and what happens to messages.
func outageWords(dependency string) string {
	switch schoolbell.Channel(dependency) {
	case "ledger":
		return "Events cannot be accepted, and nothing is sent. What was accepted is sent when it is back."
	case "redis":
		return "Events are accepted and kept in the ledger. They are sent when it is back, urgent ones first."
	case schoolbell.ChannelEmail:
		return "Emails wait and are sent when it is back. Other channels go on."
	case schoolbell.ChannelSMS:
		return "Text messages wait and are sent when it is back. Other channels go on."
	case schoolbell.ChannelPush:
		return "Push messages wait and are sent when it is back. Other channels go on."
	}
	return "What needs it waits, and is sent when it is back."
}
