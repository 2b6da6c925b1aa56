package wire

import "schoolbell"

// Actor is who did something.
type Actor struct {
	Kind schoolbell.ActorKind `json:"kind"`
	ID   string               `json:"id,omitempty" doc:"Of the key, the user, the queue, or the account that ran a command."`
	Name string               `json:"name,omitempty" doc:"Of the program that uses the key."`
}

// ActorOf shows it.
func ActorOf(a schoolbell.Actor) Actor { return Actor(a) }

// Target is what something was done to.
type Target struct {
	Kind string `json:"kind" example:"event"`
	ID   string `json:"id,omitempty" doc:"Not there if there is only one, or if there are many. Of a job: queue/job."`
}

// AuditEntry is a change that somebody made.
type AuditEntry struct {
	ID      string         `json:"id"`
	At      Time           `json:"at"`
	Actor   Actor          `json:"actor"`
	Action  string         `json:"action" example:"event.cancel"`
	Target  Target         `json:"target"`
	Address string         `json:"address,omitempty" doc:"Of the client; for IPv6 its /64 network. Commands have none."`
	Changes map[string]any `json:"changes" doc:"Details: ids, counts and names of fields. Nothing personal."`
}

// AuditEntryOf shows it.
func AuditEntryOf(e schoolbell.AuditEntry) AuditEntry {
	out := AuditEntry{ID: e.ID, At: At(e.At), Actor: ActorOf(e.Actor), Action: e.Action, Target: Target(e.Target), Address: e.Address, Changes: e.Changes}
	if out.Changes == nil {
		out.Changes = map[string]any{}
	}
	return out
}

// AuditPage is one page of the audit, newest first.
type AuditPage struct {
	Items []AuditEntry `json:"items"`
	Next  string       `json:"next,omitempty" doc:"Cursor of the next page; not there on the last."`
}
