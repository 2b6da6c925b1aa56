package staff

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/staff"
	"schoolbell/internal/store/postgres"
)

// Sessions implements staff.SessionStore.
type Sessions struct{ DB *postgres.DB }

// AddSession implements staff.SessionStore.
func (s Sessions) AddSession(ctx context.Context, session staff.Session) error {
	return postgres.Write(ctx, s.DB, "add a session", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "UPDATE staff SET signed_in_at = $2 WHERE id = $1", session.Account, session.CreatedAt)
		if err == nil && tag.RowsAffected() == 0 {
			return schoolbell.NotFound("staff account", session.Account)
		}
		if err == nil {
			_, err = tx.Exec(ctx, insertSession, session.Digest, session.Account, session.CreatedAt)
		}
		return err
	})
}

// insertSession inserts a session.
const insertSession = "INSERT INTO staff_sessions (digest, staff_id, created_at, used_at) VALUES ($1, $2, $3, $3)"

// Session implements staff.SessionStore.
func (s Sessions) Session(ctx context.Context, digest []byte) (found staff.Session, a schoolbell.StaffAccount, err error) {
	err = postgres.Read(ctx, s.DB, "read a session", func(tx pgx.Tx) error {
		var of account
		var created, used time.Time
		fields, done := of.fields()
		err := tx.QueryRow(ctx, selectSession, digest).Scan(append(fields, &created, &used)...)
		if errors.Is(err, pgx.ErrNoRows) {
			return schoolbell.NotFound("session", "")
		}
		done()
		a = of.StaffAccount
		found = staff.Session{Digest: digest, Account: a.ID, CreatedAt: created.UTC(), UsedAt: used.UTC()}
		return err
	})
	return found, a, err
}

// selectSession selects a session and its account.
const selectSession = `
	SELECT ` + accountColumns + `, staff_sessions.created_at, used_at
	FROM staff_sessions
		JOIN staff ON staff.id = staff_id
	WHERE digest = $1`

// Sessions implements staff.SessionStore.
func (s Sessions) Sessions(ctx context.Context, digests [][]byte) (found []staff.Session, accounts map[string]schoolbell.StaffAccount, err error) {
	err = postgres.Read(ctx, s.DB, "read sessions", func(tx pgx.Tx) error {
		found, accounts = nil, map[string]schoolbell.StaffAccount{}
		rows, err := tx.Query(ctx, selectSessions, digests)
		if err != nil {
			return err
		}
		for rows.Next() {
			var of account
			var session staff.Session
			fields, done := of.fields()
			if err := rows.Scan(append(fields, &session.CreatedAt, &session.UsedAt, &session.Digest)...); err != nil {
				rows.Close()
				return err
			}
			done()
			session.Account = of.ID
			found, accounts[of.ID] = append(found, session), of.StaffAccount
		}
		return rows.Err()
	})
	return found, accounts, err
}

// selectSessions selects several sessions with their accounts.
const selectSessions = `
	SELECT ` + accountColumns + `, staff_sessions.created_at, used_at, digest
	FROM staff_sessions
		JOIN staff ON staff.id = staff_id
	WHERE digest = ANY ($1)`

// NoteSessionUse implements staff.SessionStore.
func (s Sessions) NoteSessionUse(ctx context.Context, digest []byte, at time.Time) error {
	return s.exec(ctx, "note the use of a session", noteSessionUse, digest, at)
}

// noteSessionUse moves the last use of a session forward.
const noteSessionUse = "UPDATE staff_sessions SET used_at = $2 WHERE digest = $1 AND used_at < $2"

// EndSession implements staff.SessionStore.
func (s Sessions) EndSession(ctx context.Context, digest []byte) error {
	return s.exec(ctx, "end a session", "DELETE FROM staff_sessions WHERE digest = $1", digest)
}

// EndSessions implements staff.SessionStore.
func (s Sessions) EndSessions(ctx context.Context, account string) error {
	return s.exec(ctx, "end the sessions of a staff account", deleteSessions, account)
}

// RemoveEnded implements staff.SessionStore.
func (s Sessions) RemoveEnded(ctx context.Context, idle, oldest, now time.Time) error {
	return postgres.Write(ctx, s.DB, "remove ended sessions", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, deleteEndedSessions, idle, oldest)
		if err == nil {
			_, err = tx.Exec(ctx, "DELETE FROM staff_links WHERE expires_at < $1", now)
		}
		return err
	})
}

// deleteEndedSessions deletes the sessions that were not used lately and those that are too old.
const deleteEndedSessions = "DELETE FROM staff_sessions WHERE used_at < $1 OR created_at < $2"

func (s Sessions) exec(ctx context.Context, doing, statement string, arguments ...any) error {
	return postgres.Write(ctx, s.DB, doing, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, statement, arguments...)
		return err
	})
}
