package sqlite

// unreachable is why a delivery to a user on @channel, of an event in @category, must be
// suppressed, NULL if it must not. It is the one rule of who can be reached: a channel
// with addresses needs one that is usable, and people who switched the category off on the
// channel get nothing of it, and those who want it in a digest nothing now, unless it is mandatory. user is the user's number.
//
// What is asked of the channel and the category does not depend on the user, so
// SQLite looks it up once for each statement.
func unreachable(user string) string {
	return `coalesce(
		CASE
			WHEN NOT (SELECT addressed FROM channels WHERE id = @channel) THEN (
				SELECT {no_address}
				FROM users
				WHERE seq = ` + user + `
					AND state <> {user_live}
			)
			WHEN NOT EXISTS (
				SELECT 1
				FROM addresses
				WHERE user_seq = ` + user + `
					AND channel = @channel
					AND state IN ({usable})
			) THEN coalesce((
				SELECT CASE state
						WHEN {address_bounced} THEN 'bounced'
						WHEN {address_complained} THEN 'complained'
						WHEN {address_suspended} THEN 'suspended'
						ELSE 'stopped'
					END
				FROM addresses
				WHERE user_seq = ` + user + `
					AND channel = @channel
				ORDER BY position
				LIMIT 1
			), {no_address})
		END,
		` + notNow(user) + `
	)`
}

// notNow is the part of that rule that is not about addresses.
func notNow(user string) string {
	return `CASE
			WHEN (SELECT mandatory FROM categories WHERE id = @category) THEN NULL
			ELSE (
				SELECT CASE mode WHEN {off} THEN {opted_out} WHEN {digest} THEN {in_digest} END
				FROM preferences
				WHERE user_seq = ` + user + `
					AND category = @category
					AND channel = @channel
			)
		END`
}

// usableAddress is the first address of a user on @channel that is usable, NULL if there is none.
func usableAddress(user string) string {
	return `(
		SELECT address
		FROM addresses
		WHERE user_seq = ` + user + `
			AND channel = @channel
			AND state IN ({usable})
		ORDER BY position
		LIMIT 1
	)`
}

// usableAddresses are all of them, as a JSON array in order of position.
func usableAddresses(user string) string {
	return `(
		SELECT json_group_array(address)
		FROM (
			SELECT address
			FROM addresses
			WHERE user_seq = ` + user + `
				AND channel = @channel
				AND state IN ({usable})
			ORDER BY position
		)
	)`
}
