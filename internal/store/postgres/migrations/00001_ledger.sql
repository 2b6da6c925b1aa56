-- Times have milliseconds. Statuses, outcomes and states of addresses are the numbers of
-- package row, channels those of the table channels. Ids compare byte by byte, so that
-- pages are the same in every locale.

-- seq orders every walk over people and is never used twice. state: 0 a person,
-- 1 erased (its id is # and seq), 2 awaited: named as a student, not put yet.
-- generation grows when the person is deleted or their tokens are revoked: tokens
-- and live streams belong to one generation.
CREATE TABLE users (
	seq        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	id         text        COLLATE "C" NOT NULL UNIQUE,
	state      smallint    NOT NULL,
	generation integer     NOT NULL DEFAULT 0,
	name       text        NOT NULL,
	locale     text        NOT NULL,
	timezone   text        NOT NULL,
	quiet_hours   text     NOT NULL DEFAULT '', -- such as 21:00-07:00, empty for those of the school
	digest_window text     NOT NULL DEFAULT '', -- such as 17:00 or friday 17:00, empty for that of the school
	locale_chosen boolean  NOT NULL DEFAULT false, -- by the person, so that imports leave it
	calendar_feed bigint,                       -- id of the calendar feed, null for none
	created_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL
);
CREATE INDEX users_by_window ON users (timezone, digest_window);
-- For lists of people by name.
CREATE INDEX users_by_name ON users (lower(name COLLATE "C"), id) WHERE state = 0;

CREATE TABLE user_roles (
	role     text   COLLATE "C" NOT NULL,
	user_seq bigint NOT NULL,
	PRIMARY KEY (role, user_seq)
);
CREATE INDEX user_roles_by_user ON user_roles (user_seq, role);

CREATE TABLE groups (
	seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	id         text   COLLATE "C" NOT NULL UNIQUE,
	name       text   NOT NULL,
	kind       text   NOT NULL,
	parent_seq bigint
);
CREATE INDEX groups_by_parent ON groups (parent_seq) WHERE parent_seq IS NOT NULL;

CREATE TABLE memberships (
	group_seq bigint NOT NULL,
	user_seq  bigint NOT NULL,
	PRIMARY KEY (group_seq, user_seq)
);
CREATE INDEX memberships_by_user ON memberships (user_seq, group_seq);

-- By guardian, because a fan-out walks the guardians in order.
CREATE TABLE guardianships (
	guardian_seq bigint NOT NULL,
	student_seq  bigint NOT NULL,
	PRIMARY KEY (guardian_seq, student_seq)
);
CREATE INDEX guardianships_by_student ON guardianships (student_seq);

-- addressed: a delivery needs an address. every_address: it goes to all usable addresses
-- of the user, else to the first. in_app is always number 1.
CREATE TABLE channels (
	id            smallint PRIMARY KEY,
	name          text     COLLATE "C" NOT NULL UNIQUE,
	addressed     boolean  NOT NULL,
	every_address boolean  NOT NULL
);
INSERT INTO channels (id, name, addressed, every_address) VALUES
	(1, 'in_app', false, false), (2, 'email', true, false), (3, 'sms', true, false), (4, 'push', true, true);

-- Where people are reached. position 0 is the address in the user's own record (email,
-- phone); the first of a channel is the one with the lowest position. A user has an address
-- once on a channel; no index says so, because it would make imports slower by a tenth.
-- shared: somebody else has or had the email address or phone number too, in upper or lower case.
CREATE TABLE addresses (
	user_seq   bigint      NOT NULL,
	channel    smallint    NOT NULL,
	position   smallint    NOT NULL,
	state      smallint    NOT NULL DEFAULT 0,
	address    text        NOT NULL,
	label      text        NOT NULL DEFAULT '',
	reason     text        NOT NULL DEFAULT '',
	updated_at timestamptz NOT NULL,
	shared     boolean     NOT NULL DEFAULT false,
	PRIMARY KEY (user_seq, channel, position)
);
-- To find those that are shared. Push messages go to devices.
CREATE INDEX addresses_shared ON addresses (lower(address COLLATE "C")) WHERE channel IN (2, 3);

-- channels are those of events that name none. built_in ones cannot be deleted.
CREATE TABLE categories (
	id        text     COLLATE "C" PRIMARY KEY,
	name      text     NOT NULL,
	mandatory boolean  NOT NULL,
	lane      text     NOT NULL,
	channels  text[]   NOT NULL,
	position  integer  NOT NULL,
	built_in  boolean  NOT NULL
);
INSERT INTO categories (id, name, mandatory, lane, channels, position, built_in) VALUES
	('announcement', 'Announcement', false, 'normal', '{in_app,email}', 10, true),
	('event', 'Event', false, 'normal', '{in_app,email}', 20, true),
	('reminder', 'Reminder', false, 'normal', '{in_app,email}', 30, true),
	('attendance', 'Attendance', true, 'normal', '{in_app,email}', 40, true),
	('urgent', 'Urgent', true, 'urgent', '{in_app,email}', 50, true),
	('digest', 'Digest', false, 'normal', '{in_app,email}', 60, true);

CREATE TABLE preferences (
	user_seq  bigint   NOT NULL,
	category  text     COLLATE "C" NOT NULL,
	channel   smallint NOT NULL,
	mode      text     NOT NULL,
	PRIMARY KEY (user_seq, category, channel)
);
CREATE INDEX preferences_by_category ON preferences (category);

-- lane is that of the category when the event was created: events keep it.
-- job_id is the id of the event's job in Redis if that is not the event's own id, else empty.
-- revision counts the changes of the event.
-- deliveries_removed_at is set before the first of its old deliveries is removed, and
-- deliveries_left becomes false when the last one and the batches are: their totals stay.
-- data is kept byte for byte: json would refuse what JSON allows, jsonb would change it.
CREATE TABLE events (
	seq          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	id           text        COLLATE "C" NOT NULL UNIQUE,
	title        text        NOT NULL,
	body         text        NOT NULL,
	category     text        COLLATE "C" NOT NULL REFERENCES categories (id),
	lane         text        NOT NULL,
	audience     text        NOT NULL,
	data         bytea,
	location     text        NOT NULL,
	texts        text        NOT NULL DEFAULT '', -- JSON, empty for none
	for_each     text        NOT NULL DEFAULT '', -- whom its messages are about
	personal     integer     NOT NULL DEFAULT 0,  -- rows of personal_data
	starts_at    timestamptz,
	ends_at      timestamptz,
	expires_at   timestamptz,
	status       text        COLLATE "C" NOT NULL,
	revision     integer     NOT NULL DEFAULT 0,
	created_by_kind text     NOT NULL,
	created_by_id   text     NOT NULL,
	job_id          text     NOT NULL,
	created_at   timestamptz NOT NULL,
	completed_at timestamptz,
	cancelled_at timestamptz, -- also of a held event that was cancelled before
	deliveries_removed_at timestamptz,
	deliveries_left       boolean NOT NULL DEFAULT true,
	digest                boolean NOT NULL DEFAULT false, -- it goes to the people who have items of it
	area                  text    COLLATE "C" NOT NULL DEFAULT '' -- key of the groups to which its creator was limited, empty for none
);
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
-- each of its deliveries is terminal, or the event is cancelled. restored: it was due and not
-- finished in a copy from which the ledger was restored, so it may have been sent before. The waves of held events
-- count as queued, so that they are not in the way of those that the relay looks for.
CREATE TABLE waves (
	event_seq   bigint      NOT NULL,
	n           smallint    NOT NULL,
	channels    text[]      NOT NULL,
	starts_at   timestamptz,
	only_if     text        NOT NULL DEFAULT '',
	notice      text        NOT NULL DEFAULT '',
	revision    smallint    NOT NULL DEFAULT 0,
	queued_at   timestamptz,
	finished_at timestamptz,
	walked      boolean     NOT NULL DEFAULT false,
	cursor      bigint      NOT NULL DEFAULT 0,
	restored    boolean     NOT NULL DEFAULT false,
	PRIMARY KEY (event_seq, n)
);
CREATE INDEX waves_unqueued ON waves (coalesce(starts_at, '-infinity'), event_seq, n) WHERE queued_at IS NULL AND finished_at IS NULL;
CREATE INDEX waves_open ON waves (event_seq, n) WHERE queued_at IS NOT NULL AND finished_at IS NULL;

CREATE TABLE idempotency (
	scope       text        COLLATE "C" NOT NULL,
	key         text        COLLATE "C" NOT NULL,
	fingerprint text        NOT NULL,
	event_id    text        NOT NULL,
	created_at  timestamptz NOT NULL,
	PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_by_age ON idempotency (created_at);

-- Millions of rows: narrow, no foreign keys, and the only index beside the primary key
-- is about the few rows that follow others. No column that changes in other rows is indexed and a third of each page is left free, so that
-- records are updates within a page (HOT). A row whose status is pending is sending
-- while a claim holds it. revision is that of the event whose text was sent last.
CREATE TABLE deliveries (
	event_seq   bigint      NOT NULL,
	user_seq    bigint      NOT NULL,
	updated_at  timestamptz NOT NULL,
	retry_at    timestamptz,
	attempts    integer     NOT NULL DEFAULT 0,
	wave        smallint    NOT NULL,
	channel     smallint    NOT NULL,
	status      smallint    NOT NULL,
	outcome     smallint    NOT NULL DEFAULT 0,
	revision    smallint    NOT NULL DEFAULT 0,
	uncertain   boolean     NOT NULL DEFAULT false,
	reason      text,
	provider_id text,
	same_as     bigint, -- user to whom the message is sent for this one too
	PRIMARY KEY (event_seq, wave, channel, user_seq)
) WITH (fillfactor = 67);
CREATE INDEX deliveries_same_as ON deliveries (event_seq, wave, channel, same_as) WHERE same_as IS NOT NULL;

-- To whom a message is sent that several people would get at one address. fingerprint names its text and the address.
CREATE TABLE household_messages (
	event_seq   bigint   NOT NULL,
	wave        smallint NOT NULL,
	channel     smallint NOT NULL,
	fingerprint bigint   NOT NULL,
	user_seq    bigint   NOT NULL,
	PRIMARY KEY (event_seq, wave, channel, fingerprint)
);

-- What people get in their next digest instead of at once. digest_seq is the event that is the digest, once there is one.
CREATE TABLE digest_items (
	user_seq   bigint      NOT NULL,
	event_seq  bigint      NOT NULL,
	added_at   timestamptz NOT NULL,
	digest_seq bigint,
	channel    smallint    NOT NULL,
	PRIMARY KEY (user_seq, channel, event_seq)
);
CREATE INDEX digest_items_open ON digest_items (user_seq, added_at) WHERE digest_seq IS NULL;
CREATE INDEX digest_items_by_digest ON digest_items (digest_seq, user_seq, channel) WHERE digest_seq IS NOT NULL;
CREATE INDEX digest_items_by_event ON digest_items (event_seq);

-- A batch is a range of deliveries. It is in work from its first claim until no claim of
-- it is left and none can be made: then its deliveries are not in the totals.
-- A transaction that changes its deliveries or claims locks the batch's row first.
CREATE TABLE batches (
	event_seq   bigint   NOT NULL,
	wave        smallint NOT NULL,
	channel     smallint NOT NULL,
	seq         integer  NOT NULL,
	first_user  bigint   NOT NULL,
	last_user   bigint   NOT NULL,
	size        integer  NOT NULL,
	in_work     boolean  NOT NULL DEFAULT false,
	follows     boolean  NOT NULL DEFAULT false, -- a delivery in it has a same_as
	finished_at timestamptz,
	PRIMARY KEY (event_seq, wave, channel, seq)
);
-- To find the batch of a user. It begins with an expression because the planner would
-- otherwise also take it to find a batch by its number, as long as the table is not
-- analyzed, and read all batches of the event.
CREATE INDEX batches_by_user ON batches ((event_seq + 0), wave, channel, first_user);
CREATE INDEX batches_in_work ON batches (event_seq, wave, channel, seq) WHERE in_work;

-- The deliveries that workers hold: a row for each claim, with the numbers of its users.
-- A claim whose lease is gone may be taken over. revision is that of the event whose text is sent.
CREATE TABLE claims (
	id        bigint   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	event_seq bigint   NOT NULL,
	wave      smallint NOT NULL,
	channel   smallint NOT NULL,
	batch     integer  NOT NULL,
	revision  smallint NOT NULL,
	lease_id  bigint   NOT NULL,
	users     bigint[] NOT NULL
);
CREATE INDEX claims_by_batch ON claims (event_seq, wave, channel, batch);

-- How many deliveries there are, of all that are not in a batch in work. The sum over the
-- shards counts; there are several so that transactions do not wait for each other. A
-- single row may be negative.
CREATE TABLE totals (
	event_seq bigint   NOT NULL,
	wave      smallint NOT NULL,
	channel   smallint NOT NULL,
	status    smallint NOT NULL,
	outcome   smallint NOT NULL,
	shard     smallint NOT NULL,
	n         bigint   NOT NULL,
	PRIMARY KEY (event_seq, wave, channel, status, outcome, shard)
) WITH (fillfactor = 50);

-- One row for each committed chunk of a fan-out that reached inboxes. Its
-- position orders the inboxes of the whole ledger. Readers see positions in their
-- order: see positions.go.
CREATE TABLE chunks (
	position   bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	event_seq  bigint      NOT NULL,
	first_user bigint      NOT NULL,
	last_user  bigint      NOT NULL,
	arrived_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX chunks_by_event ON chunks (event_seq, first_user);

-- Which event an item is, its chunk says.
CREATE TABLE inbox (
	user_seq bigint NOT NULL,
	position bigint NOT NULL,
	read_at  timestamptz,
	acked_at timestamptz,
	PRIMARY KEY (user_seq, position)
);

-- News from providers, by which repetitions are recognized.
CREATE TABLE receipts (
	provider  text        COLLATE "C" NOT NULL,
	id        text        COLLATE "C" NOT NULL,
	event_id  text        COLLATE "C" NOT NULL,
	wave      smallint    NOT NULL,
	channel   smallint    NOT NULL,
	user_seq  bigint      NOT NULL,
	kind      text        NOT NULL,
	at        timestamptz NOT NULL,
	PRIMARY KEY (provider, id)
);
CREATE INDEX receipts_by_age ON receipts (at);
CREATE INDEX receipts_by_user ON receipts (user_seq);

-- A lease that is not here has ended. Ids are never used twice.
CREATE TABLE leases (
	id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	holder     text        NOT NULL,
	expires_at timestamptz NOT NULL
);

-- What was reserved of the quotas of channels and providers, by all workers. A token bucket is stored as the
-- time at which it is full again. hours is JSON: what was reserved in each of the last 25 hours.
CREATE TABLE quotas (
	name           text   COLLATE "C" NOT NULL PRIMARY KEY,
	full_us        bigint NOT NULL, -- of all messages, µs since 1970
	normal_full_us bigint NOT NULL, -- of normal messages
	hours          text   NOT NULL
);

-- A row is a secret of a key. A key that gets a new secret has another row with its id;
-- the row before is replaced and expires.
CREATE TABLE api_keys (
	digest      bytea       NOT NULL PRIMARY KEY,
	id          text        NOT NULL,
	name        text        NOT NULL,
	scope       text        NOT NULL,
	created_at  timestamptz NOT NULL,
	expires_at  timestamptz,
	replaced_at timestamptz,
	used_at     timestamptz
);

CREATE TABLE secrets (
	name  text  NOT NULL PRIMARY KEY,
	value bytea NOT NULL
);

-- Who changed what. Rows are added together with what they
-- tell of. id begins with the time, so it orders the rows and bounds periods.
CREATE TABLE audit (
	id          text        COLLATE "C" NOT NULL PRIMARY KEY,
	at          timestamptz NOT NULL,
	actor_kind  text        COLLATE "C" NOT NULL,
	actor_id    text        COLLATE "C" NOT NULL,
	actor_name  text        NOT NULL,
	action      text        COLLATE "C" NOT NULL,
	target_kind text        COLLATE "C" NOT NULL,
	target_id   text        COLLATE "C" NOT NULL,
	address     text        NOT NULL,
	changes     text        NOT NULL
);
CREATE INDEX audit_by_actor ON audit (actor_kind, actor_id, id);
CREATE INDEX audit_by_target ON audit (target_kind, target_id, id);

-- One row at most. settings is JSON, so that a new setting needs no new column.
CREATE TABLE school_settings (
	id         smallint    NOT NULL PRIMARY KEY CHECK (id = 1),
	settings   text        NOT NULL,
	version    bigint      NOT NULL,
	updated_at timestamptz NOT NULL
);

-- All versions of the templates that the school has changed. reset: the standard template counts again.
CREATE TABLE templates (
	version    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	category   text        COLLATE "C" NOT NULL REFERENCES categories (id) ON DELETE CASCADE,
	channel    text        COLLATE "C" NOT NULL,
	locale     text        COLLATE "C" NOT NULL,
	subject    text        NOT NULL,
	html       text        NOT NULL,
	text       text        NOT NULL,
	reset      boolean     NOT NULL,
	created_at timestamptz NOT NULL
);
CREATE INDEX templates_by_key ON templates (category, channel, locale, version);

-- What events say of single people: data is a JSON object of texts.
CREATE TABLE personal_data (
	event_seq bigint NOT NULL,
	user_seq  bigint NOT NULL,
	data      text   NOT NULL,
	PRIMARY KEY (event_seq, user_seq)
);
CREATE INDEX personal_data_by_user ON personal_data (user_seq, event_seq);

-- The students whom the messages of an event to a user are about.
CREATE TABLE concerned_students (
	event_seq   bigint NOT NULL,
	user_seq    bigint NOT NULL,
	student_seq bigint NOT NULL,
	PRIMARY KEY (event_seq, user_seq, student_seq)
);
CREATE INDEX concerned_students_by_user ON concerned_students (user_seq, event_seq);
CREATE INDEX concerned_students_by_student ON concerned_students (student_seq, event_seq);

-- People whose deliveries may still have texts of providers. after_event is the last event
-- whose deliveries were looked at.
CREATE TABLE erasures (
	user_seq    bigint      NOT NULL PRIMARY KEY,
	after_event bigint      NOT NULL DEFAULT 0,
	erased_at   timestamptz NOT NULL
);

-- Work that one process at a time does: holder has it until a time. Without a holder it is
-- due then.
CREATE TABLE turns (
	name   text        COLLATE "C" NOT NULL PRIMARY KEY,
	holder text        NOT NULL,
	until  timestamptz NOT NULL
);

-- How many messages were sent in a minute, and how many attempts failed for good. Charts show it; it is no proof.
CREATE TABLE traffic (
	minute  timestamptz NOT NULL,
	channel smallint    NOT NULL REFERENCES channels (id),
	sent    bigint      NOT NULL,
	failed  bigint      NOT NULL,
	PRIMARY KEY (minute, channel)
) WITH (fillfactor = 50);

-- One row. oldest_program is the schema version of the oldest programs that can use the schema as it
-- is; a migration that they cannot live with raises it. place names the database in which the ledger was last opened: if it is
-- another one, the ledger was restored from a dump.
CREATE TABLE installation (
	id             smallint NOT NULL PRIMARY KEY CHECK (id = 1),
	oldest_program bigint   NOT NULL,
	place          text     NOT NULL DEFAULT ''
);
INSERT INTO installation (id, oldest_program) VALUES (1, 1);

-- People who work with the panel. password is the hash, a PHC string; empty if the account has none yet.
CREATE TABLE staff (
	id           text        NOT NULL PRIMARY KEY,
	email        text        NOT NULL UNIQUE,
	name         text        NOT NULL,
	role         text        NOT NULL,
	urgent       boolean     NOT NULL,
	password     text        NOT NULL DEFAULT '',
	created_at   timestamptz NOT NULL,
	signed_in_at timestamptz,
	groups       text[]      NOT NULL DEFAULT '{}' -- to which the account is limited, empty for no limit
);

-- Groups to which staff accounts are or were limited. Events name them by their key.
CREATE TABLE areas (
	key    text   COLLATE "C" NOT NULL PRIMARY KEY,
	groups text[] NOT NULL
);

-- Links with which people choose a password, once. staff_id is empty for the link that makes the first account.
CREATE TABLE staff_links (
	digest     bytea       NOT NULL PRIMARY KEY,
	staff_id   text        NOT NULL UNIQUE,
	expires_at timestamptz NOT NULL
);

CREATE TABLE staff_sessions (
	digest     bytea       NOT NULL PRIMARY KEY,
	staff_id   text        NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
	created_at timestamptz NOT NULL,
	used_at    timestamptz NOT NULL
);
CREATE INDEX staff_sessions_by_staff ON staff_sessions (staff_id);

-- With which identity of an identity provider the owner of an account signs in.
CREATE TABLE staff_identities (
	issuer    text        NOT NULL,
	subject   text        NOT NULL,
	staff_id  text        NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
	linked_at timestamptz NOT NULL,
	PRIMARY KEY (issuer, subject),
	UNIQUE (staff_id, issuer)
);

-- Forms of events that were not sent yet. id is the key of the form, which is the idempotency key of its event.
CREATE TABLE drafts (
	staff_id text        NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
	id       text        COLLATE "C" NOT NULL,
	title    text        NOT NULL,
	form     text        NOT NULL,
	saved_at timestamptz NOT NULL,
	PRIMARY KEY (staff_id, id)
);

-- URLs that are told what happens. previous_secret signs too, until previous_until. failing_since is the first failed
-- attempt after the last success.
CREATE TABLE webhooks (
	id              text        COLLATE "C" PRIMARY KEY,
	url             text        NOT NULL,
	types           text[]      NOT NULL,
	description     text        NOT NULL,
	enabled         boolean     NOT NULL,
	secret          bytea       NOT NULL,
	previous_secret bytea,
	previous_until  timestamptz,
	created_at      timestamptz NOT NULL,
	failing_since   timestamptz,
	disabled_at     timestamptz,
	disabled_reason text        NOT NULL DEFAULT ''
);

-- What happened and webhooks want to know, until messages tell it. The triggers below write it in the transaction of what
-- happened. page: wave, channel and user_seq are the place up to which the failed deliveries of an event were told.
CREATE TABLE webhook_facts (
	seq      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	type     text        NOT NULL,
	at       timestamptz NOT NULL,
	event_id text        COLLATE "C" NOT NULL DEFAULT '',
	wave     smallint    NOT NULL DEFAULT 0,
	channel  smallint    NOT NULL DEFAULT 0,
	user_seq bigint      NOT NULL DEFAULT 0,
	detail   text        NOT NULL DEFAULT '',
	page     boolean     NOT NULL DEFAULT false
);

-- Messages that are to be sent. facts is JSON: it has the numbers of people, never their ids.
CREATE TABLE webhook_messages (
	id         text        COLLATE "C" PRIMARY KEY,
	webhook_id text        COLLATE "C" NOT NULL,
	type       text        NOT NULL,
	created_at timestamptz NOT NULL,
	next_at    timestamptz NOT NULL,
	attempts   integer     NOT NULL DEFAULT 0,
	facts      text        NOT NULL
);
CREATE INDEX webhook_messages_due ON webhook_messages (webhook_id, next_at);
CREATE INDEX webhook_messages_by_age ON webhook_messages (created_at);

CREATE TABLE webhook_attempts (
	seq         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	webhook_id  text        COLLATE "C" NOT NULL,
	message_id  text        NOT NULL,
	type        text        NOT NULL,
	number      integer     NOT NULL,
	at          timestamptz NOT NULL,
	duration_ms bigint      NOT NULL,
	reply       integer     NOT NULL, -- HTTP status, 0 for none
	error       text        NOT NULL
);
CREATE INDEX webhook_attempts_of_webhook ON webhook_attempts (webhook_id, seq);
CREATE INDEX webhook_attempts_by_age ON webhook_attempts (at);

-- Triggers write the facts, so that every statement that ends an event, records a receipt or changes an address or a preference
-- tells it, in its own transaction. Nothing is written unless an enabled webhook wants it.
CREATE FUNCTION note_webhook_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT 1 FROM webhooks WHERE enabled AND types && ARRAY['event.' || NEW.status, 'delivery.failed']) THEN
		INSERT INTO webhook_facts (type, at, event_id, detail)
		VALUES ('event.' || NEW.status, coalesce(NEW.completed_at, clock_timestamp()), NEW.id, NEW.status);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER webhook_event AFTER UPDATE OF status ON events FOR EACH ROW
	WHEN (NEW.status IN ('completed', 'cancelled') AND OLD.status <> NEW.status) EXECUTE FUNCTION note_webhook_event();

CREATE FUNCTION note_webhook_receipt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT 1 FROM webhooks WHERE enabled AND types @> ARRAY['delivery.bounced']) THEN
		INSERT INTO webhook_facts (type, at, event_id, wave, channel, user_seq, detail)
		VALUES ('delivery.bounced', NEW.at, NEW.event_id, NEW.wave, NEW.channel, NEW.user_seq, NEW.kind);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER webhook_receipt AFTER INSERT ON receipts FOR EACH ROW
	WHEN (NEW.kind IN ('failed', 'soft_bounced', 'bounced', 'refused', 'complained') AND NEW.event_id <> '') EXECUTE FUNCTION note_webhook_receipt();

CREATE FUNCTION note_webhook_address() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT 1 FROM webhooks WHERE enabled AND types @> ARRAY['address.suppressed']) THEN
		INSERT INTO webhook_facts (type, at, channel, user_seq, detail)
		VALUES ('address.suppressed', NEW.updated_at, NEW.channel, NEW.user_seq, NEW.state);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER webhook_address AFTER UPDATE OF state ON addresses FOR EACH ROW
	WHEN (NEW.state > 1 AND OLD.state <> NEW.state) EXECUTE FUNCTION note_webhook_address();

CREATE FUNCTION note_webhook_preference() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT 1 FROM webhooks WHERE enabled AND types @> ARRAY['user.opted_out']) THEN
		INSERT INTO webhook_facts (type, at, channel, user_seq, detail)
		VALUES ('user.opted_out', clock_timestamp(), NEW.channel, NEW.user_seq, NEW.category);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER webhook_preference AFTER INSERT ON preferences FOR EACH ROW
	WHEN (NEW.mode = 'off') EXECUTE FUNCTION note_webhook_preference();
CREATE TRIGGER webhook_preference_changed AFTER UPDATE OF mode ON preferences FOR EACH ROW
	WHEN (NEW.mode = 'off' AND OLD.mode <> NEW.mode) EXECUTE FUNCTION note_webhook_preference();
