package sqlite

// belowWithin are the numbers of the groups @within and of all below them.
const belowWithin = `
WITH RECURSIVE below(seq) AS (
	SELECT seq FROM groups WHERE id IN (SELECT value FROM json_each(@within))
	UNION
	SELECT g.seq FROM groups g JOIN below b ON g.parent_seq = b.seq
)`

// peopleWithin selects the numbers of the people in the groups @within or below, and of their guardians.
const peopleWithin = belowWithin + `
SELECT m.user_seq FROM below b JOIN memberships m ON m.group_seq = b.seq
UNION
SELECT p.guardian_seq FROM below b JOIN memberships m ON m.group_seq = b.seq JOIN guardianships p ON p.student_seq = m.user_seq`

// areasWithin selects the areas of which each group is within the groups @within. Groups that are not there any more are none of them.
// There are few areas: one for each list of groups that an account has had.
const areasWithin = belowWithin + `
SELECT a.key FROM areas a
WHERE NOT EXISTS (
	SELECT 1 FROM json_each(a.groups) n WHERE n.value NOT IN (SELECT g.id FROM below b JOIN groups g ON g.seq = b.seq)
)`

var (
	// listEventsWithin does what listEvents does for the events of the areas @areas: each area has its own list, in the order of an index.
	listEventsWithin = eventsOfAreas("")

	// listEventsOfStatusWithin does the same for the events of one status.
	listEventsOfStatusWithin = eventsOfAreas("AND x.status = @status")

	// listEventsWithTextWithin does the same for those with a text in the title or with an id; an empty status is any.
	listEventsWithTextWithin = eventsOfAreas(`AND @status IN ('', x.status) AND (x.title LIKE @text ESCAPE '\' OR x.id = @id)`)
)

// eventsOfAreas is the statement that selects a page of the events of @areas that meet a condition, newest first.
func eventsOfAreas(condition string) string {
	return `
SELECT ` + eventColumns + `
FROM json_each(@areas) k
CROSS JOIN ` + eventTables + `
WHERE e.seq IN (
	SELECT x.seq FROM events x
	WHERE x.area = k.value AND x.area <> '' AND x.seq < @before ` + condition + `
	ORDER BY x.seq DESC LIMIT @limit
)
ORDER BY e.seq DESC LIMIT @limit`
}
