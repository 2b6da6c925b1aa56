-- Times are milliseconds since 1970 in UTC. Statuses, outcomes and states of addresses are
-- the numbers of package row, channels those of the table channels.

-- seq orders every walk over people and is never used twice. state: 0 a person,
-- 1 erased (its id is # and seq), 2 awaited: named as a student, not put yet.
-- generation grows when the person is deleted or their tokens are revoked: tokens
-- and live streams belong to one generation.
CREATE TABLE users (
	seq        INTEGER PRIMARY KEY AUTOINCREMENT,
	id         TEXT    NOT NULL UNIQUE,
	state      INTEGER NOT NULL,
	generation INTEGER NOT NULL DEFAULT 0,
	name       TEXT    NOT NULL,
	locale     TEXT    NOT NULL,
	timezone   TEXT    NOT NULL,
	quiet_hours   TEXT NOT NULL DEFAULT '', -- such as 21:00-07:00, empty for those of the school
	digest_window TEXT NOT NULL DEFAULT '', -- such as 17:00 or friday 17:00, empty for that of the school
	locale_chosen INTEGER NOT NULL DEFAULT 0, -- 1: by the person, so that imports leave it
	calendar_feed INTEGER, -- id of the calendar feed, null for none
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX users_by_window ON users (timezone, digest_window);
-- For lists of people by name.
CREATE INDEX users_by_name ON users (lower(name), id) WHERE state = 0;

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

-- addressed: a delivery needs an address. every_address: it goes to all usable addresses
-- of the user, else to the first. in_app is always number 1.
CREATE TABLE channels (
	id            INTEGER PRIMARY KEY,
	name          TEXT    NOT NULL UNIQUE,
	addressed     INTEGER NOT NULL,
	every_address INTEGER NOT NULL
) STRICT;
INSERT INTO channels (id, name, addressed, every_address) VALUES
	(1, 'in_app', 0, 0), (2, 'email', 1, 0), (3, 'sms', 1, 0), (4, 'push', 1, 1);

-- Where people are reached. position 0 is the address in the user's own record (email,
-- phone); the first of a channel is the one with the lowest position. A user has an address
-- once on a channel; no index says so, because it would make imports slower by a tenth.
-- shared: somebody else has or had the email address or phone number too, in upper or lower case.
CREATE TABLE addresses (
	user_seq   INTEGER NOT NULL,
	channel    INTEGER NOT NULL,
	position   INTEGER NOT NULL,
	state      INTEGER NOT NULL DEFAULT 0,
	address    TEXT    NOT NULL,
	label      TEXT    NOT NULL DEFAULT '',
	reason     TEXT    NOT NULL DEFAULT '',
	updated_at INTEGER NOT NULL,
	shared     INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (user_seq, channel, position)
) STRICT, WITHOUT ROWID;
-- To find those that are shared. Push messages go to devices.
CREATE INDEX addresses_shared ON addresses (lower(address)) WHERE channel IN (2, 3);

-- channels, a JSON array, are those of events that name none. built_in ones cannot be deleted.
CREATE TABLE categories (
	id        TEXT    NOT NULL PRIMARY KEY,
	name      TEXT    NOT NULL,
	mandatory INTEGER NOT NULL,
	lane      TEXT    NOT NULL,
	channels  TEXT    NOT NULL,
	position  INTEGER NOT NULL,
	built_in  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO categories (id, name, mandatory, lane, channels, position, built_in) VALUES
	('announcement', 'Announcement', 0, 'normal', '["in_app","email"]', 10, 1),
	('event', 'Event', 0, 'normal', '["in_app","email"]', 20, 1),
	('reminder', 'Reminder', 0, 'normal', '["in_app","email"]', 30, 1),
	('attendance', 'Attendance', 1, 'normal', '["in_app","email"]', 40, 1),
	('urgent', 'Urgent', 1, 'urgent', '["in_app","email"]', 50, 1),
	('digest', 'Digest', 0, 'normal', '["in_app","email"]', 60, 1);

CREATE TABLE preferences (
	user_seq  INTEGER NOT NULL,
	category  TEXT    NOT NULL,
	channel   INTEGER NOT NULL,
	mode      TEXT    NOT NULL,
	PRIMARY KEY (user_seq, category, channel)
) STRICT, WITHOUT ROWID;
CREATE INDEX preferences_by_category ON preferences (category);

-- lane is that of the category when the event was created: events keep it.
-- job_id is the id of the event's job in Redis if that is not the event's own id, else empty.
-- revision counts the changes of the event.
-- deliveries_removed_at is set before the first of its old deliveries is removed, and
-- deliveries_left becomes false when the last one and the batches are: their totals stay.
CREATE TABLE events (
	seq          INTEGER PRIMARY KEY AUTOINCREMENT,
	id           TEXT    NOT NULL UNIQUE,
	title        TEXT    NOT NULL,
	body         TEXT    NOT NULL,
	category     TEXT    NOT NULL,
	lane         TEXT    NOT NULL,
	audience     TEXT    NOT NULL,
	data         BLOB,
	location     TEXT    NOT NULL,
	texts        TEXT    NOT NULL DEFAULT '', -- JSON, empty for none
	for_each     TEXT    NOT NULL DEFAULT '', -- whom its messages are about
	personal     INTEGER NOT NULL DEFAULT 0,  -- rows of personal_data
	starts_at    INTEGER,
	ends_at      INTEGER,
	expires_at   INTEGER,
	status       TEXT    NOT NULL,
	revision     INTEGER NOT NULL DEFAULT 0,
	created_by_kind TEXT  NOT NULL,
	created_by_id   TEXT  NOT NULL,
	job_id          TEXT  NOT NULL,
	created_at   INTEGER NOT NULL,
	completed_at INTEGER,
	cancelled_at INTEGER, -- also of a held event that was cancelled before
	deliveries_removed_at INTEGER,
	deliveries_left       INTEGER NOT NULL DEFAULT 1,
	digest                INTEGER NOT NULL DEFAULT 0, -- it goes to the people who have items of it
	area                  TEXT    NOT NULL DEFAULT '' -- key of the groups to which its creator was limited, empty for none
) STRICT;
CREATE INDEX events_by_area ON events (area, seq) WHERE area <> '';
CREATE INDEX events_by_area_and_status ON events (area, status, seq) WHERE area <> '';
CREATE INDEX events_of_digests ON events (created_at) WHERE digest;
CREATE INDEX events_by_category ON events (category);
CREATE INDEX events_by_start ON events (starts_at) WHERE starts_at IS NOT NULL;
CREATE INDEX events_by_job ON events (job_id) WHERE job_id <> '';
CREATE INDEX events_by_status ON events (status, seq);
CREATE INDEX events_with_deliveries ON events (completed_at, seq) WHERE deliveries_left AND completed_at IS NOT NULL;
CREATE INDEX events_without_deliveries ON events (completed_at, seq) WHERE NOT deliveries_left;

-- Wave 0 is the event itself; its starts_at is the event's send_at, null for at once. A wave
-- row is its own outbox: while queued_at is null the relay must add its job. cursor is the last
-- user that the fan-out has dealt with. notice is what a wave tells those
-- whom messages of revisions before its own have reached. finished_at is set when the wave is walked and
-- each of its deliveries is terminal, or the event is cancelled. channels is a JSON array.
-- restored: it was due and not finished in a copy from which the ledger was restored, so it
-- may have been sent before. The waves of held events count as queued, so that they are not in
-- the way of those that the relay looks for.
CREATE TABLE waves (
	event_seq   INTEGER NOT NULL,
	n           INTEGER NOT NULL,
	channels    TEXT    NOT NULL,
	starts_at   INTEGER,
	only_if     TEXT    NOT NULL DEFAULT '',
	notice      TEXT    NOT NULL DEFAULT '',
	revision    INTEGER NOT NULL DEFAULT 0,
	queued_at   INTEGER,
	finished_at INTEGER,
	walked      INTEGER NOT NULL DEFAULT 0,
	cursor      INTEGER NOT NULL DEFAULT 0,
	restored    INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (event_seq, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX waves_unqueued ON waves (coalesce(starts_at, 0), event_seq, n) WHERE queued_at IS NULL AND finished_at IS NULL;
CREATE INDEX waves_open ON waves (event_seq, n) WHERE queued_at IS NOT NULL AND finished_at IS NULL;

CREATE TABLE idempotency (
	scope       TEXT    NOT NULL,
	key         TEXT    NOT NULL,
	fingerprint TEXT    NOT NULL,
	event_id    TEXT    NOT NULL,
	created_at  INTEGER NOT NULL,
	PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (created_at);

-- Millions of rows: narrow, no foreign keys, and the only index beside the primary key is
-- about the few rows that follow others. A pending row
-- that a claim names is being sent. revision is that of the event whose text was sent last.
CREATE TABLE deliveries (
	event_seq   INTEGER NOT NULL,
	wave        INTEGER NOT NULL,
	channel     INTEGER NOT NULL,
	user_seq    INTEGER NOT NULL,
	status      INTEGER NOT NULL,
	outcome     INTEGER NOT NULL DEFAULT 0,
	attempts    INTEGER NOT NULL DEFAULT 0,
	uncertain   INTEGER NOT NULL DEFAULT 0,
	revision    INTEGER NOT NULL DEFAULT 0,
	retry_at    INTEGER,
	reason      TEXT,
	provider_id TEXT,
	updated_at  INTEGER NOT NULL,
	same_as     INTEGER, -- user to whom the message is sent for this one too
	PRIMARY KEY (event_seq, wave, channel, user_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_same_as ON deliveries (event_seq, wave, channel, same_as) WHERE same_as IS NOT NULL;

-- To whom a message is sent that several people would get at one address. fingerprint names its text and the address.
CREATE TABLE household_messages (
	event_seq   INTEGER NOT NULL,
	wave        INTEGER NOT NULL,
	channel     INTEGER NOT NULL,
	fingerprint INTEGER NOT NULL,
	user_seq    INTEGER NOT NULL,
	PRIMARY KEY (event_seq, wave, channel, fingerprint)
) STRICT, WITHOUT ROWID;

-- What people get in their next digest instead of at once. digest_seq is the event that is the digest, once there is one.
CREATE TABLE digest_items (
	user_seq   INTEGER NOT NULL,
	channel    INTEGER NOT NULL,
	event_seq  INTEGER NOT NULL,
	added_at   INTEGER NOT NULL,
	digest_seq INTEGER,
	PRIMARY KEY (user_seq, channel, event_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX digest_items_open ON digest_items (user_seq, added_at) WHERE digest_seq IS NULL;
CREATE INDEX digest_items_by_digest ON digest_items (digest_seq, channel, user_seq) WHERE digest_seq IS NOT NULL;
CREATE INDEX digest_items_by_event ON digest_items (event_seq);

-- How many deliveries of an event there are of each kind. Every transaction that changes
-- deliveries changes their totals, so that nobody has to count rows.
CREATE TABLE totals (
	event_seq INTEGER NOT NULL,
	wave      INTEGER NOT NULL,
	channel   INTEGER NOT NULL,
	status    INTEGER NOT NULL,
	outcome   INTEGER NOT NULL,
	n         INTEGER NOT NULL,
	PRIMARY KEY (event_seq, wave, channel, status, outcome)
) STRICT, WITHOUT ROWID;

-- A batch is a range of deliveries.
CREATE TABLE batches (
	event_seq   INTEGER NOT NULL,
	wave        INTEGER NOT NULL,
	channel     INTEGER NOT NULL,
	seq         INTEGER NOT NULL,
	first_user  INTEGER NOT NULL,
	last_user   INTEGER NOT NULL,
	size        INTEGER NOT NULL,
	follows     INTEGER NOT NULL DEFAULT 0, -- a delivery in it has a same_as
	finished_at INTEGER,
	PRIMARY KEY (event_seq, wave, channel, seq)
) STRICT, WITHOUT ROWID;

-- The pending deliveries of a batch that a lease holds: users, a JSON array, are theirs in
-- order, first_user the first of them. A delivery is in one claim at most. When the lease
-- has ended, others may claim its deliveries. revision is that of the event whose text is sent.
CREATE TABLE claims (
	event_seq  INTEGER NOT NULL,
	wave       INTEGER NOT NULL,
	channel    INTEGER NOT NULL,
	batch      INTEGER NOT NULL,
	first_user INTEGER NOT NULL,
	revision   INTEGER NOT NULL,
	lease_id   INTEGER NOT NULL,
	users      TEXT    NOT NULL,
	PRIMARY KEY (event_seq, wave, channel, batch, first_user)
) STRICT, WITHOUT ROWID;

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
	acked_at INTEGER,
	PRIMARY KEY (user_seq, position)
) STRICT, WITHOUT ROWID;

-- News from providers, by which repetitions are recognized.
CREATE TABLE receipts (
	provider TEXT    NOT NULL,
	id       TEXT    NOT NULL,
	event_id TEXT    NOT NULL,
	wave     INTEGER NOT NULL,
	channel  INTEGER NOT NULL,
	user_seq INTEGER NOT NULL,
	kind     TEXT    NOT NULL,
	at       INTEGER NOT NULL,
	PRIMARY KEY (provider, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX receipts_by_age ON receipts (at);
CREATE INDEX receipts_by_user ON receipts (user_seq);

-- A lease that is not here has ended. Ids are never used twice.
CREATE TABLE leases (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	holder     TEXT    NOT NULL,
	expires_at INTEGER NOT NULL
) STRICT;

-- What was reserved of the quotas of channels and providers. A token bucket is stored as the
-- time at which it is full again. hours is JSON: what was reserved in each of the last 25 hours.
CREATE TABLE quotas (
	name           TEXT    NOT NULL PRIMARY KEY,
	full_us        INTEGER NOT NULL, -- of all messages, µs since 1970
	normal_full_us INTEGER NOT NULL, -- of normal messages
	hours          TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

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

-- All versions of the templates that the school has changed. reset: the standard template counts again.
CREATE TABLE templates (
	version    INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	category   TEXT    NOT NULL REFERENCES categories (id) ON DELETE CASCADE,
	channel    TEXT    NOT NULL,
	locale     TEXT    NOT NULL,
	subject    TEXT    NOT NULL,
	html       TEXT    NOT NULL,
	text       TEXT    NOT NULL,
	reset      INTEGER NOT NULL,
	created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX templates_by_key ON templates (category, channel, locale, version);

-- What events say of single people: data is a JSON object of texts.
CREATE TABLE personal_data (
	event_seq INTEGER NOT NULL,
	user_seq  INTEGER NOT NULL,
	data      TEXT    NOT NULL,
	PRIMARY KEY (event_seq, user_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX personal_data_by_user ON personal_data (user_seq, event_seq);

-- The students whom the messages of an event to a user are about.
CREATE TABLE concerned_students (
	event_seq   INTEGER NOT NULL,
	user_seq    INTEGER NOT NULL,
	student_seq INTEGER NOT NULL,
	PRIMARY KEY (event_seq, user_seq, student_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX concerned_students_by_user ON concerned_students (user_seq, event_seq);
CREATE INDEX concerned_students_by_student ON concerned_students (student_seq, event_seq);

-- People whose deliveries may still have texts of providers. after_event is the last event
-- whose deliveries were looked at.
CREATE TABLE erasures (
	user_seq    INTEGER NOT NULL PRIMARY KEY,
	after_event INTEGER NOT NULL DEFAULT 0,
	erased_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Work that one process at a time does: holder has it until a time. Without a holder it is
-- due then.
CREATE TABLE turns (
	name   TEXT    NOT NULL PRIMARY KEY,
	holder TEXT    NOT NULL,
	until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How many messages were sent in a minute, and how many attempts failed for good. Charts show it; it is no proof.
CREATE TABLE traffic (
	minute  INTEGER NOT NULL, -- milliseconds since 1970 at its beginning
	channel INTEGER NOT NULL REFERENCES channels (id),
	sent    INTEGER NOT NULL,
	failed  INTEGER NOT NULL,
	PRIMARY KEY (minute, channel)
) STRICT, WITHOUT ROWID;

-- One row. oldest_program is the schema version of the oldest programs that can use the schema as it
-- is; a migration that they cannot live with raises it. copied_at is set in a backup: a ledger that has it was restored.
CREATE TABLE installation (
	id             INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
	oldest_program INTEGER NOT NULL,
	copied_at      INTEGER
) STRICT;
INSERT INTO installation (id, oldest_program) VALUES (1, 1);

-- People who work with the panel. password is the hash, a PHC string; empty if the account has none yet.
CREATE TABLE staff (
	id           TEXT    NOT NULL PRIMARY KEY,
	email        TEXT    NOT NULL UNIQUE,
	name         TEXT    NOT NULL,
	role         TEXT    NOT NULL,
	urgent       INTEGER NOT NULL,
	password     TEXT    NOT NULL DEFAULT '',
	created_at   INTEGER NOT NULL,
	signed_in_at INTEGER,
	groups       TEXT    NOT NULL DEFAULT '[]' -- JSON: to which the account is limited, empty for no limit
) STRICT, WITHOUT ROWID;

-- Groups to which staff accounts are or were limited, as JSON. Events name them by their key.
CREATE TABLE areas (
	key    TEXT NOT NULL PRIMARY KEY,
	groups TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Links with which people choose a password, once. staff_id is empty for the link that makes the first account.
CREATE TABLE staff_links (
	digest     BLOB    NOT NULL PRIMARY KEY,
	staff_id   TEXT    NOT NULL UNIQUE,
	expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE staff_sessions (
	digest     BLOB    NOT NULL PRIMARY KEY,
	staff_id   TEXT    NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
	created_at INTEGER NOT NULL,
	used_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX staff_sessions_by_staff ON staff_sessions (staff_id);

-- With which identity of an identity provider the owner of an account signs in.
CREATE TABLE staff_identities (
	issuer    TEXT    NOT NULL,
	subject   TEXT    NOT NULL,
	staff_id  TEXT    NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
	linked_at INTEGER NOT NULL,
	PRIMARY KEY (issuer, subject),
	UNIQUE (staff_id, issuer)
) STRICT, WITHOUT ROWID;

-- Forms of events that were not sent yet. id is the key of the form, which is the idempotency key of its event.
CREATE TABLE drafts (
	staff_id TEXT    NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
	id       TEXT    NOT NULL,
	title    TEXT    NOT NULL,
	form     TEXT    NOT NULL,
	saved_at INTEGER NOT NULL,
	PRIMARY KEY (staff_id, id)
) STRICT;

-- URLs that are told what happens. previous_secret signs too, until previous_until. failing_since is the first failed
-- attempt after the last success.
CREATE TABLE webhooks (
	id              TEXT    NOT NULL PRIMARY KEY,
	url             TEXT    NOT NULL,
	types           TEXT    NOT NULL,
	description     TEXT    NOT NULL,
	enabled         INTEGER NOT NULL,
	secret          BLOB    NOT NULL,
	previous_secret BLOB,
	previous_until  INTEGER,
	created_at      INTEGER NOT NULL,
	failing_since   INTEGER,
	disabled_at     INTEGER,
	disabled_reason TEXT    NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

-- What happened and webhooks want to know, until messages tell it. The triggers below write it in the transaction of what
-- happened. page: wave, channel and user_seq are the place up to which the failed deliveries of an event were told.
CREATE TABLE webhook_facts (
	seq      INTEGER PRIMARY KEY AUTOINCREMENT,
	type     TEXT    NOT NULL,
	at       INTEGER NOT NULL,
	event_id TEXT    NOT NULL DEFAULT '',
	wave     INTEGER NOT NULL DEFAULT 0,
	channel  INTEGER NOT NULL DEFAULT 0,
	user_seq INTEGER NOT NULL DEFAULT 0,
	detail   TEXT    NOT NULL DEFAULT '',
	page     INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Messages that are to be sent. facts is JSON: it has the numbers of people, never their ids.
CREATE TABLE webhook_messages (
	id         TEXT    NOT NULL PRIMARY KEY,
	webhook_id TEXT    NOT NULL,
	type       TEXT    NOT NULL,
	created_at INTEGER NOT NULL,
	next_at    INTEGER NOT NULL,
	attempts   INTEGER NOT NULL DEFAULT 0,
	facts      TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_messages_due ON webhook_messages (webhook_id, next_at);
CREATE INDEX webhook_messages_by_age ON webhook_messages (created_at);

CREATE TABLE webhook_attempts (
	seq         INTEGER PRIMARY KEY AUTOINCREMENT,
	webhook_id  TEXT    NOT NULL,
	message_id  TEXT    NOT NULL,
	type        TEXT    NOT NULL,
	number      INTEGER NOT NULL,
	at          INTEGER NOT NULL,
	duration_ms INTEGER NOT NULL,
	reply       INTEGER NOT NULL, -- HTTP status, 0 for none
	error       TEXT    NOT NULL
) STRICT;
CREATE INDEX webhook_attempts_of_webhook ON webhook_attempts (webhook_id, seq);
CREATE INDEX webhook_attempts_by_age ON webhook_attempts (at);

-- Triggers write the facts, so that every statement that ends an event, records a receipt or changes an address or a preference
-- tells it, in its own transaction. Nothing is written unless an enabled webhook wants it.
CREATE TRIGGER webhook_event AFTER UPDATE OF status ON events
WHEN NEW.status IN ('completed', 'cancelled') AND OLD.status <> NEW.status
BEGIN
	INSERT INTO webhook_facts (type, at, event_id, detail)
	SELECT 'event.' || NEW.status, coalesce(NEW.completed_at, CAST(unixepoch('subsec') * 1000 AS INTEGER)), NEW.id, NEW.status
	WHERE EXISTS (SELECT 1 FROM webhooks w, json_each(w.types) t WHERE w.enabled AND t.value IN ('event.' || NEW.status, 'delivery.failed'));
END;
CREATE TRIGGER webhook_receipt AFTER INSERT ON receipts
WHEN NEW.kind IN ('failed', 'soft_bounced', 'bounced', 'refused', 'complained') AND NEW.event_id <> ''
BEGIN
	INSERT INTO webhook_facts (type, at, event_id, wave, channel, user_seq, detail)
	SELECT 'delivery.bounced', NEW.at, NEW.event_id, NEW.wave, NEW.channel, NEW.user_seq, NEW.kind
	WHERE EXISTS (SELECT 1 FROM webhooks w, json_each(w.types) t WHERE w.enabled AND t.value = 'delivery.bounced');
END;
CREATE TRIGGER webhook_address AFTER UPDATE OF state ON addresses
WHEN NEW.state > 1 AND OLD.state <> NEW.state
BEGIN
	INSERT INTO webhook_facts (type, at, channel, user_seq, detail)
	SELECT 'address.suppressed', NEW.updated_at, NEW.channel, NEW.user_seq, CAST(NEW.state AS TEXT)
	WHERE EXISTS (SELECT 1 FROM webhooks w, json_each(w.types) t WHERE w.enabled AND t.value = 'address.suppressed');
END;
CREATE TRIGGER webhook_preference AFTER INSERT ON preferences
WHEN NEW.mode = 'off'
BEGIN
	INSERT INTO webhook_facts (type, at, channel, user_seq, detail)
	SELECT 'user.opted_out', CAST(unixepoch('subsec') * 1000 AS INTEGER), NEW.channel, NEW.user_seq, NEW.category
	WHERE EXISTS (SELECT 1 FROM webhooks w, json_each(w.types) t WHERE w.enabled AND t.value = 'user.opted_out');
END;
CREATE TRIGGER webhook_preference_changed AFTER UPDATE OF mode ON preferences
WHEN NEW.mode = 'off' AND OLD.mode <> NEW.mode
BEGIN
	INSERT INTO webhook_facts (type, at, channel, user_seq, detail)
	SELECT 'user.opted_out', CAST(unixepoch('subsec') * 1000 AS INTEGER), NEW.channel, NEW.user_seq, NEW.category
	WHERE EXISTS (SELECT 1 FROM webhooks w, json_each(w.types) t WHERE w.enabled AND t.value = 'user.opted_out');
END;
