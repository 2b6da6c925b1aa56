// Package store puts the stores of one database together, of either engine, for those
// who use them.
package store

import (
	"context"

	"schoolbell/internal/api"
	"schoolbell/internal/auth"
	"schoolbell/internal/inbox"
	"schoolbell/internal/ledger"
	"schoolbell/internal/people"
	"schoolbell/internal/school"
	"schoolbell/internal/staff"
	"schoolbell/internal/store/postgres"
	pgschool "schoolbell/internal/store/postgres/school"
	pgstaff "schoolbell/internal/store/postgres/staff"
	pgwebhooks "schoolbell/internal/store/postgres/webhooks"
	"schoolbell/internal/store/sqlite"
	liteschool "schoolbell/internal/store/sqlite/school"
	litestaff "schoolbell/internal/store/sqlite/staff"
	litewebhooks "schoolbell/internal/store/sqlite/webhooks"
)

// DB is the connection to a database. It is safe for concurrent use.
type DB interface {
	// Migrate brings the schema to the version this program needs.
	Migrate(ctx context.Context) error

	// Schema returns what schema the database has and what this program needs.
	Schema(ctx context.Context) (ledger.Schema, error)

	// Ping reports whether the database answers and this program can use its schema.
	Ping(ctx context.Context) error

	// Warm prepares connections for the first requests, which would otherwise be slower.
	Warm(ctx context.Context) error

	// Close closes the connection. The stores cannot be used after it.
	Close() error
}

// Ledger is an open ledger: its connection, and a store for each part of the program
// that works on it.
type Ledger struct {
	DB
	ledger.Stores // for the pipeline

	People    people.Store
	Directory people.DirectoryStore
	Schedules people.ScheduleStore
	Inboxes   inbox.Store
	Calendars inbox.CalendarStore
	Auth      auth.Store
	Staff     staff.Store
	Sessions  staff.SessionStore
	Areas     staff.AreaStore
	Identity  staff.IdentityStore
	Drafts    staff.DraftStore
	Reports   api.Store
	Overviews ledger.Overviews
	School    school.Store

	Settings     school.SettingsStore
	Templates    school.TemplateStore
	Retention    ledger.Retention
	Exports      ledger.Exports
	EventReports ledger.EventReports

	PersonDeliveries ledger.PersonDeliveries
	Restores         ledger.Restores

	Suppressions ledger.Suppressions
	Webhooks     ledger.Webhooks
}

// OnPostgres returns the ledger in a PostgreSQL database.
func OnPostgres(db *postgres.DB) *Ledger {
	return &Ledger{
		DB: db,
		Stores: ledger.Stores{
			Events: postgres.Events{DB: db}, Changes: postgres.Changes{DB: db}, FanOuts: postgres.FanOuts{DB: db},
			Deliveries: postgres.Deliveries{DB: db}, Leases: postgres.Leases{DB: db},
			Waves: postgres.Waves{DB: db}, Receipts: postgres.Receipts{DB: db}, Channels: postgres.Channels{DB: db},
			Quotas: postgres.Quotas{DB: db}, Digests: postgres.Digests{DB: db}, Previews: postgres.Previews{DB: db}, Traffic: postgres.Traffic{DB: db},
		},
		People: postgres.People{DB: db}, Directory: postgres.Directory{DB: db}, Schedules: postgres.Schedules{DB: db}, Inboxes: postgres.Inboxes{DB: db}, Calendars: postgres.Calendars{DB: db},
		Auth: postgres.Auth{DB: db}, Reports: postgres.Reports{DB: db}, School: pgschool.Categories{School: postgres.School{DB: db}},
		Settings: pgschool.Settings{DB: db}, Templates: pgschool.Templates{DB: db}, Retention: postgres.Retention{DB: db}, Exports: postgres.Exports{DB: db}, EventReports: postgres.Reports{DB: db},
		Restores: postgres.Restores{DB: db}, Suppressions: postgres.Suppressions{DB: db}, Webhooks: pgwebhooks.Store{DB: db},
		Staff: pgstaff.Accounts{DB: db}, Areas: pgstaff.Areas{DB: db}, Sessions: pgstaff.Sessions{DB: db}, Drafts: pgstaff.Drafts{DB: db}, Identity: pgstaff.Identities{DB: db},
		Overviews: postgres.Overviews{DB: db}, PersonDeliveries: pgstaff.Deliveries{DB: db},
	}
}

// OnSQLite returns the ledger in a SQLite file.
func OnSQLite(db *sqlite.DB) *Ledger {
	return &Ledger{
		DB: db,
		Stores: ledger.Stores{
			Events: sqlite.Events{DB: db}, Changes: sqlite.Changes{DB: db}, FanOuts: sqlite.FanOuts{DB: db},
			Deliveries: sqlite.Deliveries{DB: db}, Leases: sqlite.Leases{DB: db},
			Waves: sqlite.Waves{DB: db}, Receipts: sqlite.Receipts{DB: db}, Channels: sqlite.Channels{DB: db},
			Quotas: sqlite.Quotas{DB: db}, Digests: sqlite.Digests{DB: db}, Previews: sqlite.Previews{DB: db}, Traffic: sqlite.Traffic{DB: db},
		},
		People: sqlite.People{DB: db}, Directory: sqlite.Directory{DB: db}, Schedules: sqlite.Schedules{DB: db}, Inboxes: sqlite.Inboxes{DB: db}, Calendars: sqlite.Calendars{DB: db},
		Auth: sqlite.Auth{DB: db}, Reports: sqlite.Reports{DB: db}, School: liteschool.Categories{School: sqlite.School{DB: db}},
		Settings: liteschool.Settings{DB: db}, Templates: liteschool.Templates{DB: db}, Retention: sqlite.Retention{DB: db}, Exports: sqlite.Exports{DB: db}, EventReports: sqlite.Reports{DB: db},
		Restores: sqlite.Restores{DB: db}, Suppressions: sqlite.Suppressions{DB: db}, Webhooks: litewebhooks.Store{DB: db},
		Staff: litestaff.Accounts{DB: db}, Areas: litestaff.Areas{DB: db}, Sessions: litestaff.Sessions{DB: db}, Drafts: litestaff.Drafts{DB: db}, Identity: litestaff.Identities{DB: db},
		Overviews: sqlite.Overviews{DB: db}, PersonDeliveries: litestaff.Deliveries{DB: db},
	}
}
