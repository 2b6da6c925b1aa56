package postgres

// belowWithin are the numbers of the groups @within and of all below them.
const belowWithin = `
	WITH RECURSIVE below(seq) AS (
		SELECT seq FROM groups WHERE id = ANY (@within::text[])
		UNION
		SELECT g.seq FROM groups g JOIN below b ON g.parent_seq = b.seq)`

// userWithin narrows people u to those in the groups @within or below, and the guardians of those.
const userWithin = `
		AND u.seq IN (` + belowWithin + `
			SELECT m.user_seq FROM below b JOIN memberships m ON m.group_seq = b.seq
			UNION
			SELECT p.guardian_seq
			FROM below b
			JOIN memberships m ON m.group_seq = b.seq
			JOIN guardianships p ON p.student_seq = m.user_seq)`

// areasWithin selects the areas of which each group is within the groups @within. Groups that are not there any more are none of them.
// There are few areas: one for each list of groups that an account has had.
const areasWithin = belowWithin + `
	SELECT a.key FROM areas a WHERE a.groups <@ ARRAY(SELECT g.id::text FROM below b JOIN groups g ON g.seq = b.seq)`

var (
	// listEventsWithin does what listEvents does for the events of the areas @areas: each area has its own list, in the order of an index.
	listEventsWithin = eventsOfAreas("")

	// listEventsByStatusWithin does the same for the events of one status.
	listEventsByStatusWithin = eventsOfAreas("AND x.status = @status")

	// listEventsWithTextWithin does the same for those with a text in the title or with an id; an empty status is any.
	listEventsWithTextWithin = eventsOfAreas("AND @status IN ('', x.status) AND (x.title ILIKE @text OR x.id = @id)")
)

// eventsOfAreas is the statement that selects a page of the events of @areas that meet a condition, newest first.
func eventsOfAreas(condition string) string {
	return "SELECT " + eventColumns + `
	FROM unnest(@areas::text[]) k(area)
	CROSS JOIN LATERAL (
		SELECT x.* FROM events x
		WHERE x.area = k.area AND x.area <> '' AND x.seq < @before ` + condition + `
		ORDER BY x.seq DESC
		LIMIT @limit) e
	JOIN waves w ON w.event_seq = e.seq AND w.n = 0
	ORDER BY e.seq DESC
	LIMIT @limit`
}
