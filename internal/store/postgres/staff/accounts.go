// Package staff is the store of staff accounts and their sessions in PostgreSQL.
package staff

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/staff"
	"schoolbell/internal/store/postgres"
	"schoolbell/internal/store/row"
)

// Accounts implements staff.Store.
type Accounts struct{ DB *postgres.DB }

// lockAccounts makes changes of accounts wait for each other, so that they can count them.
const lockAccounts = "LOCK TABLE staff IN SHARE ROW EXCLUSIVE MODE"

// AddAccount implements staff.Store.
func (s Accounts) AddAccount(ctx context.Context, a schoolbell.StaffAccount) error {
	return s.change(ctx, "add a staff account", func(tx pgx.Tx) error {
		n, err := countAccounts(ctx, tx)
		if err == nil && n >= schoolbell.MaxStaff {
			err = row.TooManyStaff()
		}
		if err != nil {
			return err
		}
		return insert(ctx, tx, a, "")
	})
}

// change runs a transaction that changes accounts, one at a time.
func (s Accounts) change(ctx context.Context, doing string, f func(tx pgx.Tx) error) error {
	return postgres.Write(ctx, s.DB, doing, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockAccounts); err != nil {
			return err
		}
		return f(tx)
	})
}

func countAccounts(ctx context.Context, tx pgx.Tx) (n int, err error) {
	err = tx.QueryRow(ctx, "SELECT count(*) FROM staff").Scan(&n)
	return n, err
}

func insert(ctx context.Context, tx pgx.Tx, a schoolbell.StaffAccount, passwordHash string) error {
	if err := putGroups(ctx, tx, a); err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, insertAccount, named{"id": a.ID, "email": a.Email, "name": a.Name, "role": string(a.Role), "urgent": a.Urgent,
		"password": passwordHash, "created_at": a.CreatedAt, "groups": orEmpty(a.Groups)})
	if err == nil && tag.RowsAffected() == 0 {
		return row.EmailTaken()
	}
	return err
}

// insertAccount inserts an account, unless another has its email address.
const insertAccount = `
	INSERT INTO staff (id, email, name, role, urgent, password, created_at, groups)
	VALUES (@id, @email, @name, @role, @urgent, @password, @created_at, @groups)
	ON CONFLICT DO NOTHING`

// AddFirstAccount implements staff.Store.
func (s Accounts) AddFirstAccount(ctx context.Context, link []byte, a schoolbell.StaffAccount, passwordHash string) error {
	return s.change(ctx, "add the first staff account", func(tx pgx.Tx) error {
		if tag, err := tx.Exec(ctx, takeFirstLink, link); err != nil || tag.RowsAffected() == 0 {
			return orNoLink(err)
		}
		if n, err := countAccounts(ctx, tx); err != nil || n > 0 {
			return errors.Join(err, row.HasStaff())
		}
		return insert(ctx, tx, a, passwordHash)
	})
}

// takeFirstLink removes the link that makes the first account.
const takeFirstLink = "DELETE FROM staff_links WHERE digest = $1 AND staff_id = ''"

func orNoLink(err error) error {
	if err == nil {
		return schoolbell.NotFound("link", "")
	}
	return err
}

// ChangeAccount implements staff.Store.
func (s Accounts) ChangeAccount(ctx context.Context, a schoolbell.StaffAccount) error {
	return s.change(ctx, "change a staff account", func(tx pgx.Tx) error {
		var taken bool
		if err := tx.QueryRow(ctx, emailTaken, a.ID, a.Email).Scan(&taken); err != nil {
			return err
		}
		if taken {
			return row.EmailTaken()
		}
		if err := putGroups(ctx, tx, a); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, updateAccount,
			named{"id": a.ID, "email": a.Email, "name": a.Name, "role": string(a.Role), "urgent": a.Urgent, "groups": orEmpty(a.Groups)})
		if err == nil && tag.RowsAffected() == 0 {
			return schoolbell.NotFound("staff account", a.ID)
		}
		if err != nil {
			return err
		}
		return keepAdmin(ctx, tx)
	})
}

const (
	// emailTaken selects whether another account has an email address.
	emailTaken = "SELECT EXISTS (SELECT 1 FROM staff WHERE email = $2 AND id <> $1)"

	// updateAccount changes what an admin chooses.
	updateAccount = "UPDATE staff SET email = @email, name = @name, role = @role, urgent = @urgent, groups = @groups WHERE id = @id"

	// countAdmins selects how many admins there are.
	countAdmins = "SELECT count(*) FROM staff WHERE role = $1"
)

// keepAdmin fails if there is no admin.
func keepAdmin(ctx context.Context, tx pgx.Tx) error {
	var n int
	err := tx.QueryRow(ctx, countAdmins, string(schoolbell.RoleAdmin)).Scan(&n)
	if err == nil && n == 0 {
		return row.LastAdmin()
	}
	return err
}

// RemoveAccount implements staff.Store.
func (s Accounts) RemoveAccount(ctx context.Context, id string) error {
	return s.change(ctx, "remove a staff account", func(tx pgx.Tx) error {
		for _, statement := range []string{deleteSessions, deleteLinks, deleteDrafts} {
			if _, err := tx.Exec(ctx, statement, id); err != nil {
				return err
			}
		}
		tag, err := tx.Exec(ctx, "DELETE FROM staff WHERE id = $1", id)
		if err == nil && tag.RowsAffected() == 0 {
			return schoolbell.NotFound("staff account", id)
		}
		if err != nil {
			return err
		}
		return keepAdmin(ctx, tx)
	})
}

const (
	// deleteSessions deletes the sessions of an account.
	deleteSessions = "DELETE FROM staff_sessions WHERE staff_id = $1"

	// deleteLinks deletes the links of an account.
	deleteLinks = "DELETE FROM staff_links WHERE staff_id = $1"

	// deleteDrafts deletes the drafts of an account.
	deleteDrafts = "DELETE FROM drafts WHERE staff_id = $1"
)

// accountColumns are the columns that account reads.
const accountColumns = "staff.id, email, name, role, urgent, password, staff.created_at, signed_in_at, groups"

const (
	// listAccounts selects all accounts.
	listAccounts = `SELECT ` + accountColumns + ` FROM staff ORDER BY name COLLATE "C", id`

	// selectAccount selects one account.
	selectAccount = "SELECT " + accountColumns + " FROM staff WHERE id = $1"

	// selectAccountByEmail selects the account with an email address.
	selectAccountByEmail = "SELECT " + accountColumns + " FROM staff WHERE email = $1"
)

// account is a row of an account.
type account struct {
	schoolbell.StaffAccount
	password string
}

// fields are where the columns of accountColumns go; done takes over what needs to be converted.
func (a *account) fields() (fields []any, done func()) {
	var signedIn *time.Time
	return []any{&a.ID, &a.Email, &a.Name, &a.Role, &a.Urgent, &a.password, &a.CreatedAt, &signedIn, &a.Groups}, func() {
		if len(a.Groups) == 0 {
			a.Groups = nil
		}
		a.Password, a.CreatedAt, a.SignedInAt = a.password != "", a.CreatedAt.UTC(), timeOf(signedIn)
	}
}

func scanAccount(r pgx.CollectableRow) (schoolbell.StaffAccount, error) {
	var a account
	fields, done := a.fields()
	err := r.Scan(fields...)
	done()
	return a.StaffAccount, err
}

// Accounts implements staff.Store.
func (s Accounts) Accounts(ctx context.Context) (found []schoolbell.StaffAccount, err error) {
	err = postgres.Read(ctx, s.DB, "list staff accounts", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, listAccounts)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, scanAccount)
		return err
	})
	return found, err
}

// Account implements staff.Store.
func (s Accounts) Account(ctx context.Context, id string) (schoolbell.StaffAccount, error) {
	a, err := s.one(ctx, selectAccount, id)
	return a.StaffAccount, err
}

// Credentials implements staff.Store.
func (s Accounts) Credentials(ctx context.Context, email string) (schoolbell.StaffAccount, string, error) {
	a, err := s.one(ctx, selectAccountByEmail, email)
	return a.StaffAccount, a.password, err
}

func (s Accounts) one(ctx context.Context, query string, of ...any) (a account, err error) {
	err = postgres.Read(ctx, s.DB, "read a staff account", func(tx pgx.Tx) error {
		fields, done := a.fields()
		err := tx.QueryRow(ctx, query, of...).Scan(fields...)
		if errors.Is(err, pgx.ErrNoRows) {
			return schoolbell.NotFound("staff account", "")
		}
		done()
		return err
	})
	return a, err
}

// SetPassword implements staff.Store.
func (s Accounts) SetPassword(ctx context.Context, link []byte, passwordHash string) error {
	return postgres.Write(ctx, s.DB, "set the password of a staff account", func(tx pgx.Tx) error {
		var id string
		err := tx.QueryRow(ctx, takeLink, link).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return orNoLink(nil)
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, deleteSessions, id); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, "UPDATE staff SET password = $2 WHERE id = $1", id, passwordHash)
		if err == nil && tag.RowsAffected() == 0 {
			return orNoLink(nil)
		}
		return err
	})
}

// takeLink removes the link of an account.
const takeLink = "DELETE FROM staff_links WHERE digest = $1 AND staff_id <> '' RETURNING staff_id"

// AddLink implements staff.Store.
func (s Accounts) AddLink(ctx context.Context, l staff.Link) error {
	return postgres.Write(ctx, s.DB, "add a link of the staff", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, upsertLink, named{"digest": l.Digest, "staff_id": l.Account, "expires_at": l.ExpiresAt})
		return err
	})
}

// upsertLink inserts a link or replaces that of the same account.
const upsertLink = `
	INSERT INTO staff_links (digest, staff_id, expires_at)
	VALUES (@digest, @staff_id, @expires_at)
	ON CONFLICT (staff_id) DO UPDATE SET digest = excluded.digest, expires_at = excluded.expires_at`

// Link implements staff.Store.
func (s Accounts) Link(ctx context.Context, digest []byte) (l staff.Link, err error) {
	err = postgres.Read(ctx, s.DB, "read a link of the staff", func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, selectLink, digest).Scan(&l.Digest, &l.Account, &l.ExpiresAt)
		if errors.Is(err, pgx.ErrNoRows) {
			return orNoLink(nil)
		}
		l.ExpiresAt = l.ExpiresAt.UTC()
		return err
	})
	return l, err
}

// selectLink selects a link.
const selectLink = "SELECT digest, staff_id, expires_at FROM staff_links WHERE digest = $1"
