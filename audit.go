package schoolbell

import "time"

// ActorKind says what kind of caller an actor is.
type ActorKind string

const (
	ActorKey    ActorKind = "key"    // a program with an API key; its id is the key's, see [APIKey]
	ActorUser   ActorKind = "user"   // a user with a token
	ActorStaff  ActorKind = "staff"  // a member of the staff with a session
	ActorQueue  ActorKind = "queue"  // a worker that runs a job
	ActorCLI    ActorKind = "cli"    // a command that works on the ledger itself; its id is the account of the operating system
	ActorSystem ActorKind = "system" // the program itself
)

// ActorKinds lists every kind of actor.
func ActorKinds() []ActorKind {
	return []ActorKind{ActorKey, ActorUser, ActorStaff, ActorQueue, ActorCLI, ActorSystem}
}

// Actor is who does something.
type Actor struct {
	Kind ActorKind
	ID   string
	Name string // of a program, for people; empty for people, whose names the audit does not keep
}

// Target is what something is done to.
type Target struct {
	Kind string // as "event"
	ID   string // empty if there is only one, or if there are many
}

// AuditEntry is a change that somebody made. Entries are never changed and never removed
// by the API. They hold ids and names of fields, and values only where they say nothing
// about a person.
type AuditEntry struct {
	ID      string // orders entries by time
	At      time.Time
	Actor   Actor
	Action  string // as "event.cancel"
	Target  Target
	Address string         // of the client; empty for commands
	Changes map[string]any // details, as JSON
}

// AuditFilter selects entries. Empty fields do not narrow the selection.
type AuditFilter struct {
	Actor  Actor // its kind, or kind and id
	Action string
	Target Target    // its kind, or kind and id
	From   time.Time // this moment or later
	To     time.Time // before this moment
}
