-- Keeps the deliveries of each month in a partition of their own. Run it with psql once a month:
--
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f partition-deliveries.sql
--
-- The first run makes the table deliveries a partitioned one, whose first partition has all deliveries so far.
-- Each later run closes the partition of the time before, opens one for new events, and drops closed ones that
-- retention has emptied. A second run in the same month only drops.
--
-- Events are numbered in the order in which they are created, so a range of numbers is a range of time. Each run reads
-- the partition that it closes once, and nobody can use the deliveries meanwhile: about a second for five million rows.

BEGIN;
SET LOCAL lock_timeout = '10s';
LOCK TABLE deliveries IN ACCESS EXCLUSIVE MODE;

-- The first run.
DO $$
DECLARE
	next bigint;
BEGIN
	IF (SELECT relkind FROM pg_class WHERE oid = 'deliveries'::regclass) = 'p' THEN
		RETURN;
	END IF;
	SELECT coalesce(max(seq), 0) + 1 INTO next FROM events;
	ALTER TABLE deliveries RENAME TO deliveries_first;
	ALTER INDEX deliveries_pkey RENAME TO deliveries_first_pkey;
	CREATE TABLE deliveries (LIKE deliveries_first INCLUDING DEFAULTS, PRIMARY KEY (event_seq, wave, channel, user_seq))
		PARTITION BY RANGE (event_seq);
	EXECUTE format('ALTER TABLE deliveries ATTACH PARTITION deliveries_first FOR VALUES FROM (MINVALUE) TO (%s)', next);
END $$;

-- Each run: a partition without an upper bound for the events from now on.
DO $$
DECLARE
	fresh   text := 'deliveries_' || to_char(current_date, 'YYYY_MM');
	open    text;
	opened  bigint;
	next    bigint;
BEGIN
	IF to_regclass(fresh) IS NOT NULL THEN
		RETURN;
	END IF;
	SELECT c.relname, (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''?(-?\d+)'))[1]
	INTO open, opened
	FROM pg_inherits i
	JOIN pg_class c ON c.oid = i.inhrelid
	WHERE i.inhparent = 'deliveries'::regclass AND pg_get_expr(c.relpartbound, c.oid) LIKE '%TO (MAXVALUE)';
	SELECT coalesce(max(seq), 0) + 1 INTO next FROM events;
	IF open IS NULL THEN
		opened := next;
	ELSIF next > opened THEN
		EXECUTE format('ALTER TABLE deliveries DETACH PARTITION %I', open);
		EXECUTE format('ALTER TABLE deliveries ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', open, opened, next);
		opened := next;
	ELSE
		RETURN; -- no event since the partition was opened
	END IF;
	EXECUTE format('CREATE TABLE %I PARTITION OF deliveries FOR VALUES FROM (%s) TO (MAXVALUE) WITH (fillfactor = 67)', fresh, opened);
END $$;

-- Each run: closed partitions that are empty are dropped.
DO $$
DECLARE
	closed text;
	used   boolean;
BEGIN
	FOR closed IN
		SELECT c.relname
		FROM pg_inherits i
		JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'deliveries'::regclass AND pg_get_expr(c.relpartbound, c.oid) NOT LIKE '%TO (MAXVALUE)'
	LOOP
		EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', closed) INTO used;
		IF NOT used THEN
			EXECUTE format('DROP TABLE %I', closed);
		END IF;
	END LOOP;
END $$;

COMMIT;
