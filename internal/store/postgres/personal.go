package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// insertPersonal stores what new events say of single people.
func (m *manyEvents) insertPersonal(ctx context.Context, events []acceptedEvent, seqs map[string]int64) error {
	var numbers []int64
	var users, data []string
	for _, a := range events {
		ev := m.events[a.index].Event
		texts, err := row.PersonalData(ev)
		if err != nil {
			return err
		}
		users, data = append(users, row.PersonalUsers(ev)...), append(data, texts...)
		for range texts {
			numbers = append(numbers, seqs[ev.ID])
		}
	}
	if len(users) == 0 {
		return nil
	}
	_, err := m.tx.Exec(ctx, insertPersonalData, numbers, users, data)
	return err
}

// insertPersonalData stores personal data. Nobody of whom it stores some is erased meanwhile.
var insertPersonalData = row.SQL(`
	INSERT INTO personal_data (event_seq, user_seq, data)
	SELECT g.event_seq, u.seq, g.data
	FROM unnest($1::bigint[], $2::text[], $3::text[]) g(event_seq, id, data)
	JOIN users u ON u.id = g.id AND u.state = {user_live}
	ORDER BY u.seq
	FOR KEY SHARE OF u`)

// noteStudents queues the statement that stores which students of each guardian in the chunk the event concerns.
func (c *chunk) noteStudents(ctx context.Context, tx pgx.Tx, b *pgx.Batch) error {
	if c.wave.forEach != schoolbell.ForEachStudent || c.wave.Wave > 0 || c.wave.expired {
		return nil
	}
	students, err := resolve(ctx, tx, c.wave.audience.GuardiansOf, 0)
	if err != nil {
		return fmt.Errorf("find the students of an audience: %w", err)
	}
	b.Queue(insertConcerned, named{"event": c.wave.seq, "people": c.people,
		"student_roles": students.roles, "student_groups": students.groups, "student_users": students.users})
	return nil
}

// insertConcerned stores the students of the guardians @people whom the audience selects.
const insertConcerned = `
	INSERT INTO concerned_students (event_seq, user_seq, student_seq)
	SELECT @event, g.guardian_seq, g.student_seq
	FROM guardianships g
	WHERE g.guardian_seq = ANY (@people::bigint[]) AND ` + studentSelected

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
	err = s.DB.read(ctx, "preview students", func(tx pgx.Tx) error {
		selected, err := resolve(ctx, tx, ev.Audience.GuardiansOf, 0)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, selectConcerned, named{"people": users, "event_id": ev.ID,
			"student_roles": selected.roles, "student_groups": selected.groups, "student_users": selected.users})
		found, err = list(rows, err, func(r pgx.CollectableRow) (x row.Concerned, err error) {
			return x, r.Scan(&x.Guardian, &x.Student.ID, &x.Student.Name, &x.Data)
		})
		return err
	})
	return found, err
}

// selectConcerned selects the students of the guardians @people whom the audience selects, with the data that an event has of them.
var selectConcerned = row.SQL(`
	SELECT g.guardian_seq, s.id, s.name, p.data
	FROM guardianships g
	JOIN users s ON s.seq = g.student_seq AND s.state = {user_live}
	LEFT JOIN personal_data p ON p.event_seq = (SELECT seq FROM events WHERE id = @event_id) AND p.user_seq = s.seq
	WHERE g.guardian_seq = ANY (@people::bigint[]) AND ` + studentSelected)

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
	err = s.DB.again("read personal data", func() error {
		rows, err := s.DB.pool.Query(ctx, allPersonalData, eventID)
		found, err = list(rows, err, func(r pgx.CollectableRow) (p schoolbell.PersonData, err error) {
			var data string
			err = r.Scan(&p.User, &data)
			p.Data = json.RawMessage(data)
			return p, err
		})
		return err
	})
	return found, err
}

// allPersonalData selects the data that an event has of people.
var allPersonalData = row.SQL(`
	SELECT u.id, p.data
	FROM personal_data p
	JOIN users u ON u.seq = p.user_seq AND u.state = {user_live}
	WHERE p.event_seq = (SELECT seq FROM events WHERE id = $1)
	ORDER BY u.id`)

// personalText is an expression for what the messages of the event e to the user u do not share, as JSON.
const personalText = `json_build_object(
		'name', u.name,
		'data', (SELECT p.data::json FROM personal_data p WHERE p.event_seq = e.seq AND p.user_seq = u.seq),
		'students', (
			SELECT json_agg(json_build_object('id', s.id, 'name', s.name, 'data', p.data::json))
			FROM concerned_students c
			JOIN users s ON s.seq = c.student_seq AND s.state = {user_live}
			LEFT JOIN personal_data p ON p.event_seq = c.event_seq AND p.user_seq = c.student_seq
			WHERE c.event_seq = e.seq AND c.user_seq = u.seq))::text`

// Personal implements ledger.Deliveries.
func (s Deliveries) Personal(ctx context.Context, ev *schoolbell.Event, users []int64) (map[int64]*schoolbell.PersonalText, error) {
	var found row.PersonalTexts
	err := s.DB.again("read personal texts", func() error {
		found = row.PersonalTexts{}
		if ev.PersonalCount > 0 {
			rows, err := s.DB.pool.Query(ctx, selectPersonalData, ev.ID, users)
			if err != nil {
				return err
			}
			var user int64
			var data string
			if _, err := pgx.ForEachRow(rows, []any{&user, &data}, func() error { return found.AddData(user, data) }); err != nil {
				return err
			}
		}
		if ev.ForEach == "" {
			return nil
		}
		rows, err := s.DB.pool.Query(ctx, selectStudents, ev.ID, users)
		if err != nil {
			return err
		}
		var user int64
		var student schoolbell.Student
		var data *string
		_, err = pgx.ForEachRow(rows, []any{&user, &student.ID, &student.Name, &data}, func() error { return found.AddStudent(user, student, data) })
		return err
	})
	return found, err
}

// selectPersonalData selects the data that an event has of users. It looks up each user: PostgreSQL knows nothing yet about a
// table that has just been filled, and may otherwise read all data of the event for each batch.
const selectPersonalData = `
	SELECT u.seq, p.data
	FROM unnest($2::bigint[]) u(seq)
	CROSS JOIN LATERAL (
		SELECT data FROM personal_data
		WHERE event_seq = (SELECT seq FROM events WHERE id = $1) AND user_seq = u.seq
		OFFSET 0) p`

// selectStudents selects the students of users whom an event concerns, with its data of them. It looks up each user,
// as selectPersonalData does.
var selectStudents = row.SQL(`
	SELECT u.seq, s.id, s.name, p.data
	FROM unnest($2::bigint[]) u(seq)
	CROSS JOIN LATERAL (
		SELECT event_seq, student_seq FROM concerned_students
		WHERE event_seq = (SELECT seq FROM events WHERE id = $1) AND user_seq = u.seq
		OFFSET 0) c
	JOIN users s ON s.seq = c.student_seq AND s.state = {user_live}
	LEFT JOIN personal_data p ON p.event_seq = c.event_seq AND p.user_seq = c.student_seq`)

// PersonalOf implements ledger.Exports.
func (s Exports) PersonalOf(ctx context.Context, person, afterEvent int64, limit int) (found []ledger.PersonalRecord, last int64, err error) {
	err = s.DB.again("list personal data", func() error {
		found, last = nil, 0
		rows, err := s.DB.pool.Query(ctx, listPersonalOf, named{"user": person, "after": afterEvent, "limit": limit})
		found, err = list(rows, err, func(r pgx.CollectableRow) (p ledger.PersonalRecord, err error) {
			var data string
			if err = r.Scan(&last, &p.EventID, &data, &p.Students, &p.Guardians); err == nil {
				err = json.Unmarshal([]byte(data), &p.Data)
			}
			return p, err
		})
		return err
	})
	return found, last, err
}

// listPersonalOf selects the next events that say something of a person or of the person's students.
var listPersonalOf = row.SQL(`
	SELECT e.seq, e.id,
		coalesce((SELECT p.data FROM personal_data p WHERE p.event_seq = e.seq AND p.user_seq = @user), 'null'),
		(SELECT array_agg(s.id ORDER BY s.id)
			FROM concerned_students c
			JOIN users s ON s.seq = c.student_seq AND s.state = {user_live}
			WHERE c.event_seq = e.seq AND c.user_seq = @user),
		(SELECT array_agg(g.id ORDER BY g.id)
			FROM concerned_students c
			JOIN users g ON g.seq = c.user_seq AND g.state = {user_live}
			WHERE c.event_seq = e.seq AND c.student_seq = @user)
	FROM (
		SELECT event_seq FROM personal_data WHERE user_seq = @user AND event_seq > @after
		UNION
		SELECT event_seq FROM concerned_students WHERE user_seq = @user AND event_seq > @after
		UNION
		SELECT event_seq FROM concerned_students WHERE student_seq = @user AND event_seq > @after
		ORDER BY event_seq
		LIMIT @limit) x
	JOIN events e ON e.seq = x.event_seq
	ORDER BY e.seq`)

// removePersonal deletes what events say of single people, up to a number of rows, and returns how many it deleted.
func removePersonal(ctx context.Context, tx pgx.Tx, events []int64, limit int) (rows int, err error) {
	for _, statement := range []string{deletePersonalData, deleteConcerned} {
		tag, err := tx.Exec(ctx, statement, events, limit-rows)
		if err != nil {
			return rows, err
		}
		rows += int(tag.RowsAffected())
	}
	return rows, nil
}

// deletePersonalData deletes personal data of events, up to a number of rows.
const deletePersonalData = `
	DELETE FROM personal_data
	WHERE ctid = ANY (ARRAY(SELECT ctid FROM personal_data WHERE event_seq = ANY ($1) LIMIT $2))`

// deleteConcerned deletes the students whom events concern, up to a number of rows.
const deleteConcerned = `
	DELETE FROM concerned_students
	WHERE ctid = ANY (ARRAY(SELECT ctid FROM concerned_students WHERE event_seq = ANY ($1) LIMIT $2))`
