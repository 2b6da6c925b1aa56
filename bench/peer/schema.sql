CREATE TABLE users (
	id    bigint PRIMARY KEY,
	name  text NOT NULL,
	email text,
	role  text NOT NULL
);

CREATE TABLE events (
	id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	title      text NOT NULL,
	body       text NOT NULL,
	roles      text[] NOT NULL,
	users      bigint[] NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE notifications (
	id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	event_id   bigint NOT NULL,
	user_id    bigint NOT NULL,
	title      text NOT NULL,
	body       text NOT NULL,
	read       boolean NOT NULL DEFAULT false,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX notifications_by_user ON notifications (user_id, id);
