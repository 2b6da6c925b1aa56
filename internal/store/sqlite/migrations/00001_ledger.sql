-- Times are milliseconds since 1970 in UTC. Channels and statuses of deliveries
-- are the numbers of package row.

-- +goose Up

-- seq orders every walk over people and is never used twice. state: 0 a person,
-- 1 deleted (the bare id stays), 2 awaited: named as a student, not put yet.
-- generation grows when the person is deleted or their tokens are revoked: tokens
-- and live streams belong to one generation.
CREATE TABLE users (
	seq        INTEGER PRIMARY KEY AUTOINCREMENT,
	id         TEXT    NOT NULL UNIQUE,
	state      INTEGER NOT NULL,
	generation INTEGER NOT NULL DEFAULT 0,
	name       TEXT    NOT NULL,
	email      TEXT    NOT NULL,
	phone      TEXT    NOT NULL,
	locale     TEXT    NOT NULL,
	timezone   TEXT    NOT NULL,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE user_roles (
	role     TEXT    NOT NULL,
	user_seq INTEGER NOT NULL,
	PRIMARY KEY (role, user_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_roles_by_user ON user_roles (user_seq, role);

CREATE TABLE groups (
	seq        INTEGER PRIMARY KEY AUTOINCREMENT,
	id         TEXT    NOT NULL UNIQUE,
	name       TEXT    NOT NULL,
	kind       TEXT    NOT NULL,
	parent_seq INTEGER
) STRICT;
CREATE INDEX groups_by_parent ON groups (parent_seq) WHERE parent_seq IS NOT NULL;

CREATE TABLE memberships (
	group_seq INTEGER NOT NULL,
	user_seq  INTEGER NOT NULL,
	PRIMARY KEY (group_seq, user_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_by_user ON memberships (user_seq, group_seq);

-- By guardian, because a fan-out walks the guardians in order.
CREATE TABLE guardianships (
	guardian_seq INTEGER NOT NULL,
	student_seq  INTEGER NOT NULL,
	PRIMARY KEY (guardian_seq, student_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX guardianships_by_student ON guardianships (student_seq);

CREATE TABLE preferences (
	user_seq  INTEGER NOT NULL,
	category  TEXT    NOT NULL,
	channel   INTEGER NOT NULL,
	opted_out INTEGER NOT NULL,
	PRIMARY KEY (user_seq, category, channel)
) STRICT, WITHOUT ROWID;

-- An event row is its own outbox: while queued_at is null the relay must take it.
-- cursor is the last user that the fan-out has dealt with.
CREATE TABLE events (
	seq          INTEGER PRIMARY KEY AUTOINCREMENT,
	id           TEXT    NOT NULL UNIQUE,
	title        TEXT    NOT NULL,
	body         TEXT    NOT NULL,
	category     TEXT    NOT NULL,
	audience     TEXT    NOT NULL,
	channels     TEXT    NOT NULL,
	data         BLOB,
	location     TEXT    NOT NULL,
	starts_at    INTEGER,
	ends_at      INTEGER,
	send_at      INTEGER,
	expires_at   INTEGER,
	status       TEXT    NOT NULL,
	created_at   INTEGER NOT NULL,
	completed_at INTEGER,
	queued_at    INTEGER,
	walked       INTEGER NOT NULL DEFAULT 0,
	cursor       INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX events_by_status ON events (status, seq);
CREATE INDEX events_unqueued ON events (seq) WHERE queued_at IS NULL AND completed_at IS NULL;
CREATE INDEX events_open ON events (id) WHERE queued_at IS NOT NULL AND completed_at IS NULL;

CREATE TABLE idempotency (
	scope       TEXT    NOT NULL,
	key         TEXT    NOT NULL,
	fingerprint TEXT    NOT NULL,
	event_id    TEXT    NOT NULL,
	created_at  INTEGER NOT NULL,
	PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (created_at);

-- Millions of rows: narrow, its primary key the only index, no foreign keys.
-- A row that is sending under a lease which is gone may be claimed again.
CREATE TABLE deliveries (
	event_seq   INTEGER NOT NULL,
	channel     INTEGER NOT NULL,
	user_seq    INTEGER NOT NULL,
	status      INTEGER NOT NULL,
	attempts    INTEGER NOT NULL DEFAULT 0,
	uncertain   INTEGER NOT NULL DEFAULT 0,
	lease_id    INTEGER,
	retry_at    INTEGER,
	reason      TEXT,
	provider_id TEXT,
	updated_at  INTEGER NOT NULL,
	PRIMARY KEY (event_seq, channel, user_seq)
) STRICT, WITHOUT ROWID;

-- A batch is a range of deliveries. started_at is set by its first claim, so that
-- the rows in the hands of a lease are found among the started, unfinished ones.
CREATE TABLE batches (
	event_seq   INTEGER NOT NULL,
	channel     INTEGER NOT NULL,
	seq         INTEGER NOT NULL,
	first_user  INTEGER NOT NULL,
	last_user   INTEGER NOT NULL,
	size        INTEGER NOT NULL,
	started_at  INTEGER,
	finished_at INTEGER,
	PRIMARY KEY (event_seq, channel, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX batches_in_work ON batches (event_seq, channel, seq) WHERE started_at IS NOT NULL AND finished_at IS NULL;

-- One row for each committed chunk of a fan-out that reached inboxes. Its
-- position orders the inboxes of the whole ledger by commit.
CREATE TABLE chunks (
	position   INTEGER PRIMARY KEY AUTOINCREMENT,
	event_seq  INTEGER NOT NULL,
	first_user INTEGER NOT NULL,
	last_user  INTEGER NOT NULL,
	arrived_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX chunks_by_event ON chunks (event_seq, first_user);

-- Which event an item is, its chunk says.
CREATE TABLE inbox (
	user_seq INTEGER NOT NULL,
	position INTEGER NOT NULL,
	read_at  INTEGER,
	PRIMARY KEY (user_seq, position)
) STRICT, WITHOUT ROWID;

-- A lease that is not here has ended. Ids are never used twice.
CREATE TABLE leases (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	holder     TEXT    NOT NULL,
	expires_at INTEGER NOT NULL
) STRICT;

-- A row is a secret of a key. A key that gets a new secret has another row with its id;
-- the row before is replaced and expires.
CREATE TABLE api_keys (
	digest      BLOB    NOT NULL PRIMARY KEY,
	id          TEXT    NOT NULL,
	name        TEXT    NOT NULL,
	scope       TEXT    NOT NULL,
	created_at  INTEGER NOT NULL,
	expires_at  INTEGER,
	replaced_at INTEGER,
	used_at     INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE secrets (
	name  TEXT NOT NULL PRIMARY KEY,
	value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Who changed what. Rows are added together with what they
-- tell of. id begins with the time, so it orders the rows and bounds periods.
CREATE TABLE audit (
	id          TEXT    NOT NULL PRIMARY KEY,
	at          INTEGER NOT NULL,
	actor_kind  TEXT    NOT NULL,
	actor_id    TEXT    NOT NULL,
	actor_name  TEXT    NOT NULL,
	action      TEXT    NOT NULL,
	target_kind TEXT    NOT NULL,
	target_id   TEXT    NOT NULL,
	address     TEXT    NOT NULL,
	changes     TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_by_actor ON audit (actor_kind, actor_id, id);
CREATE INDEX audit_by_target ON audit (target_kind, target_id, id);

-- One row at most. settings is JSON, so that a new setting needs no new column.
CREATE TABLE school_settings (
	id         INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
	settings   TEXT    NOT NULL,
	version    INTEGER NOT NULL,
	updated_at INTEGER NOT NULL
) STRICT;
