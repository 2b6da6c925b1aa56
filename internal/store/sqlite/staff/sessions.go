package staff

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"schoolbell"
	"schoolbell/internal/staff"
	"schoolbell/internal/store/sqlite"
)

// Sessions implements staff.SessionStore.
type Sessions struct{ DB *sqlite.DB }

// AddSession implements staff.SessionStore.
func (s Sessions) AddSession(ctx context.Context, session staff.Session) error {
	return sqlite.Write(ctx, s.DB, "add a session", func(c sqlite.Conn) error {
		of := args{"id": session.Account, "at": session.CreatedAt.UnixMilli()}
		n, err := c.Exec(ctx, "UPDATE staff SET signed_in_at = @at WHERE id = @id", of)
		if err == nil && n == 0 {
			return schoolbell.NotFound("staff account", session.Account)
		}
		if err == nil {
			of["digest"] = session.Digest
			_, err = c.Exec(ctx, insertSession, of)
		}
		return err
	})
}

// insertSession inserts a session.
const insertSession = "INSERT INTO staff_sessions (digest, staff_id, created_at, used_at) VALUES (@digest, @id, @at, @at)"

// Session implements staff.SessionStore.
func (s Sessions) Session(ctx context.Context, digest []byte) (found staff.Session, a schoolbell.StaffAccount, err error) {
	err = sqlite.Read(ctx, s.DB, "read a session", func(c sqlite.Conn) error {
		var of account
		var created, used sql.NullInt64
		fields, done := of.fields()
		err := c.Get(ctx, selectSession, args{"digest": digest}, append(fields, &created, &used)...)
		if errors.Is(err, sql.ErrNoRows) {
			return schoolbell.NotFound("session", "")
		}
		done()
		a = of.StaffAccount
		found = staff.Session{Digest: digest, Account: a.ID, CreatedAt: timeOf(created), UsedAt: timeOf(used)}
		return err
	})
	return found, a, err
}

// selectSession selects a session and its account.
const selectSession = `
SELECT ` + accountColumns + `, staff_sessions.created_at, used_at
FROM staff_sessions
	JOIN staff ON staff.id = staff_id
WHERE digest = @digest`

// Sessions implements staff.SessionStore.
func (s Sessions) Sessions(ctx context.Context, digests [][]byte) (found []staff.Session, accounts map[string]schoolbell.StaffAccount, err error) {
	names := make([]string, len(digests))
	for i, d := range digests {
		names[i] = hex.EncodeToString(d)
	}
	asked, err := json.Marshal(names)
	if err != nil {
		return nil, nil, err
	}
	accounts = map[string]schoolbell.StaffAccount{}
	err = sqlite.Read(ctx, s.DB, "read sessions", func(c sqlite.Conn) error {
		return c.Each(ctx, selectSessions, args{"digests": string(asked)}, func(scan func(...any) error) error {
			var of account
			var created, used sql.NullInt64
			var digest []byte
			fields, done := of.fields()
			if err := scan(append(fields, &created, &used, &digest)...); err != nil {
				return err
			}
			done()
			found = append(found, staff.Session{Digest: bytes.Clone(digest), Account: of.ID, CreatedAt: timeOf(created), UsedAt: timeOf(used)})
			accounts[of.ID] = of.StaffAccount
			return nil
		})
	})
	return found, accounts, err
}

// selectSessions selects several sessions with their accounts.
const selectSessions = `
SELECT ` + accountColumns + `, staff_sessions.created_at, used_at, digest
FROM staff_sessions
	JOIN staff ON staff.id = staff_id
WHERE digest IN (SELECT unhex(value) FROM json_each(@digests))`

// NoteSessionUse implements staff.SessionStore.
func (s Sessions) NoteSessionUse(ctx context.Context, digest []byte, at time.Time) error {
	return s.exec(ctx, "note the use of a session", noteSessionUse, args{"digest": digest, "at": at.UnixMilli()})
}

// noteSessionUse moves the last use of a session forward.
const noteSessionUse = "UPDATE staff_sessions SET used_at = @at WHERE digest = @digest AND used_at < @at"

// EndSession implements staff.SessionStore.
func (s Sessions) EndSession(ctx context.Context, digest []byte) error {
	return s.exec(ctx, "end a session", "DELETE FROM staff_sessions WHERE digest = @digest", args{"digest": digest})
}

// EndSessions implements staff.SessionStore.
func (s Sessions) EndSessions(ctx context.Context, account string) error {
	return s.exec(ctx, "end the sessions of a staff account", deleteSessions, args{"id": account})
}

// RemoveEnded implements staff.SessionStore.
func (s Sessions) RemoveEnded(ctx context.Context, idle, oldest, now time.Time) error {
	return sqlite.Write(ctx, s.DB, "remove ended sessions", func(c sqlite.Conn) error {
		_, err := c.Exec(ctx, deleteEndedSessions, args{"idle": idle.UnixMilli(), "oldest": oldest.UnixMilli()})
		if err == nil {
			_, err = c.Exec(ctx, "DELETE FROM staff_links WHERE expires_at < @now", args{"now": now.UnixMilli()})
		}
		return err
	})
}

// deleteEndedSessions deletes the sessions that were not used lately and those that are too old.
const deleteEndedSessions = "DELETE FROM staff_sessions WHERE used_at < @idle OR created_at < @oldest"

func (s Sessions) exec(ctx context.Context, doing, statement string, a args) error {
	return sqlite.Write(ctx, s.DB, doing, func(c sqlite.Conn) error {
		_, err := c.Exec(ctx, statement, a)
		return err
	})
}
