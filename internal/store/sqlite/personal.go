package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// insertPersonal stores what a new event says of single people, all of whom the ledger knows.
func insertPersonal(ctx context.Context, c *conn, event int64, ev *schoolbell.Event) error {
	data, err := row.PersonalData(ev)
	if err != nil {
		return err
	}
	for i, user := range row.PersonalUsers(ev) {
		if _, err := c.exec(ctx, insertPersonalData, args{"event": event, "user_id": user, "data": data[i]}); err != nil {
			return fmt.Errorf("insert personal data: %w", err)
		}
	}
	return nil
}

// insertPersonalData stores what an event says of one person.
var insertPersonalData = row.SQL(`
INSERT INTO personal_data (event_seq, user_seq, data)
SELECT @event, seq, @data
FROM users
WHERE id = @user_id
	AND state = {user_live}`)

// noteStudents stores which students of each guardian in chunk the event concerns.
func noteStudents(ctx context.Context, c *conn, w *walk) error {
	if w.forEach != schoolbell.ForEachStudent || w.wave > 0 || w.expired() {
		return nil
	}
	p := picker{args: args{"event": w.seq}}
	err := p.add(ctx, c, "student", w.audience.GuardiansOf, 0)
	if err == nil {
		_, err = c.exec(ctx, insertConcerned, p.args)
	}
	if err != nil {
		return fmt.Errorf("note students: %w", err)
	}
	return nil
}

// insertConcerned stores the students of the guardians in chunk whom the audience selects.
const insertConcerned = `
INSERT INTO concerned_students (event_seq, user_seq, student_seq)
SELECT @event, w.guardian_seq, w.student_seq
FROM temp.chunk k
CROSS JOIN guardianships w ON w.guardian_seq = k.user_seq
WHERE ` + studentSelected

// personalize gives people what the messages of an event that is not stored would say of them.
func (s Previews) personalize(ctx context.Context, ev *schoolbell.Event, people []ledger.Recipient) error {
	users := make([]int64, len(people))
	for i, p := range people {
		users[i] = p.Seq
	}
	concerned, err := s.concerned(ctx, ev, users)
	if err != nil {
		return err
	}
	return row.Personalize(ev, people, concerned)
}

// concerned returns the students of guardians whom an event, stored or not, would concern if it were fanned out now.
func (s Previews) concerned(ctx context.Context, ev *schoolbell.Event, users []int64) (found []row.Concerned, err error) {
	if ev.ForEach != schoolbell.ForEachStudent || len(users) == 0 {
		return nil, nil
	}
	err = s.DB.read(ctx, "preview students", func(c *conn) error {
		found = nil
		p := picker{args: args{"people": jsonOf(users), "event_id": ev.ID}}
		if err := p.add(ctx, c, "student", ev.Audience.GuardiansOf, 0); err != nil {
			return err
		}
		return c.each(ctx, selectConcerned, p.args, func(scan func(...any) error) error {
			var x row.Concerned
			err := scan(&x.Guardian, &x.Student.ID, &x.Student.Name, &x.Data)
			found = append(found, x)
			return err
		})
	})
	return found, err
}

// selectConcerned selects the students of the guardians @people whom the audience selects, with the data that an event has of them.
var selectConcerned = row.SQL(`
SELECT w.guardian_seq, s.id, s.name, p.data
FROM json_each(@people) k
CROSS JOIN guardianships w ON w.guardian_seq = k.value
CROSS JOIN users s ON s.seq = w.student_seq
LEFT JOIN personal_data p ON p.event_seq = (SELECT seq FROM events WHERE id = @event_id)
	AND p.user_seq = s.seq
WHERE s.state = {user_live}
	AND ` + studentSelected)

// Personal implements ledger.Previews.
func (s Previews) Personal(ctx context.Context, ev *schoolbell.Event, users []int64) (map[int64]*schoolbell.PersonalText, error) {
	told, err := Deliveries(s).Personal(ctx, ev, users)
	if err != nil || ev.Status.Terminal() {
		return told, err
	}
	found := row.PersonalTexts(told)
	concerned, err := s.concerned(ctx, ev, found.WithoutStudents(users))
	if err != nil {
		return nil, err
	}
	return found, found.AddConcerned(concerned)
}

// PersonalData implements ledger.Previews.
func (s Previews) PersonalData(ctx context.Context, eventID string) (found []schoolbell.PersonData, err error) {
	err = s.DB.read(ctx, "read personal data", func(c *conn) error {
		found = nil
		return c.each(ctx, allPersonalData, args{"event_id": eventID}, func(scan func(...any) error) error {
			var user, data string
			err := scan(&user, &data)
			found = append(found, schoolbell.PersonData{User: user, Data: json.RawMessage(data)})
			return err
		})
	})
	return found, err
}

// allPersonalData selects the data that an event has of people.
var allPersonalData = row.SQL(`
SELECT u.id, p.data
FROM personal_data p
CROSS JOIN users u ON u.seq = p.user_seq
WHERE p.event_seq = (SELECT seq FROM events WHERE id = @event_id)
	AND u.state = {user_live}
ORDER BY u.id`)

// personalText is an expression for what the messages of the event e to the user u do not share, as JSON.
const personalText = `json_object(
		'name', u.name,
		'data', json((SELECT p.data FROM personal_data p WHERE p.event_seq = e.seq AND p.user_seq = u.seq)),
		'students', json((
			SELECT json_group_array(json_object('id', s.id, 'name', s.name, 'data', json(p.data)))
			FROM concerned_students c
			CROSS JOIN users s ON s.seq = c.student_seq
			LEFT JOIN personal_data p ON p.event_seq = c.event_seq AND p.user_seq = c.student_seq
			WHERE c.event_seq = e.seq
				AND c.user_seq = u.seq
				AND s.state = {user_live}
		)))`

// Personal implements ledger.Deliveries.
func (s Deliveries) Personal(ctx context.Context, ev *schoolbell.Event, users []int64) (map[int64]*schoolbell.PersonalText, error) {
	var found row.PersonalTexts
	err := s.DB.read(ctx, "read personal texts", func(c *conn) error {
		found = row.PersonalTexts{}
		of := args{"event_id": ev.ID, "users": jsonOf(users)}
		if ev.PersonalCount > 0 {
			err := c.each(ctx, selectPersonalData, of, func(scan func(...any) error) error {
				var user int64
				var data string
				if err := scan(&user, &data); err != nil {
					return err
				}
				return found.AddData(user, data)
			})
			if err != nil {
				return err
			}
		}
		if ev.ForEach == "" {
			return nil
		}
		return c.each(ctx, selectStudents, of, func(scan func(...any) error) error {
			var user int64
			var student schoolbell.Student
			var data *string
			if err := scan(&user, &student.ID, &student.Name, &data); err != nil {
				return err
			}
			return found.AddStudent(user, student, data)
		})
	})
	return found, err
}

// selectPersonalData selects the data that an event has of users.
const selectPersonalData = `
SELECT p.user_seq, p.data
FROM personal_data p
WHERE p.event_seq = (SELECT seq FROM events WHERE id = @event_id)
	AND p.user_seq IN (SELECT value FROM json_each(@users))`

// selectStudents selects the students of users whom an event concerns, with its data of them.
var selectStudents = row.SQL(`
SELECT c.user_seq, s.id, s.name, p.data
FROM concerned_students c
CROSS JOIN users s ON s.seq = c.student_seq
LEFT JOIN personal_data p ON p.event_seq = c.event_seq AND p.user_seq = c.student_seq
WHERE c.event_seq = (SELECT seq FROM events WHERE id = @event_id)
	AND c.user_seq IN (SELECT value FROM json_each(@users))
	AND s.state = {user_live}`)

// PersonalOf implements ledger.Exports.
func (s Exports) PersonalOf(ctx context.Context, person, afterEvent int64, limit int) (found []ledger.PersonalRecord, last int64, err error) {
	err = s.DB.read(ctx, "list personal data", func(c *conn) error {
		found, last = nil, 0
		return c.each(ctx, listPersonalOf, args{"user": person, "after": afterEvent, "limit": limit}, func(scan func(...any) error) error {
			var p ledger.PersonalRecord
			var data, students, guardians string
			if err := scan(&last, &p.EventID, &data, &students, &guardians); err != nil {
				return err
			}
			err := errors.Join(json.Unmarshal([]byte(data), &p.Data), decodeList(students, &p.Students), decodeList(guardians, &p.Guardians))
			found = append(found, p)
			return err
		})
	})
	return found, last, err
}

// listPersonalOf selects the next events that say something of a person or of the person's students.
var listPersonalOf = row.SQL(`
SELECT e.seq, e.id,
	coalesce((SELECT p.data FROM personal_data p WHERE p.event_seq = e.seq AND p.user_seq = @user), 'null'),
	(SELECT json_group_array(id) FROM (
		SELECT s.id
		FROM concerned_students c
		CROSS JOIN users s ON s.seq = c.student_seq
		WHERE c.event_seq = e.seq
			AND c.user_seq = @user
			AND s.state = {user_live}
		ORDER BY s.id
	)),
	(SELECT json_group_array(id) FROM (
		SELECT g.id
		FROM concerned_students c
		CROSS JOIN users g ON g.seq = c.user_seq
		WHERE c.event_seq = e.seq
			AND c.student_seq = @user
			AND g.state = {user_live}
		ORDER BY g.id
	))
FROM (
	SELECT event_seq FROM personal_data WHERE user_seq = @user AND event_seq > @after
	UNION
	SELECT event_seq FROM concerned_students WHERE user_seq = @user AND event_seq > @after
	UNION
	SELECT event_seq FROM concerned_students WHERE student_seq = @user AND event_seq > @after
	ORDER BY event_seq
	LIMIT @limit
) x
CROSS JOIN events e ON e.seq = x.event_seq
ORDER BY e.seq`)

// removePersonal deletes what events say of single people, up to a number of rows, and returns how many it deleted.
func removePersonal(ctx context.Context, c *conn, events []int64, limit int) (rows int, err error) {
	for _, statement := range []string{deletePersonalData, deleteConcerned} {
		n, err := c.exec(ctx, statement, args{"events": jsonOf(events), "limit": limit - rows})
		if err != nil {
			return rows, err
		}
		rows += n
	}
	return rows, nil
}

// deletePersonalData deletes personal data of events, up to a number of rows.
const deletePersonalData = `
DELETE FROM personal_data
WHERE (event_seq, user_seq) IN (
	SELECT event_seq, user_seq
	FROM personal_data
	WHERE event_seq IN (SELECT value FROM json_each(@events))
	LIMIT @limit
)`

// deleteConcerned deletes the students whom events concern, up to a number of rows.
const deleteConcerned = `
DELETE FROM concerned_students
WHERE (event_seq, user_seq, student_seq) IN (
	SELECT event_seq, user_seq, student_seq
	FROM concerned_students
	WHERE event_seq IN (SELECT value FROM json_each(@events))
	LIMIT @limit
)`
