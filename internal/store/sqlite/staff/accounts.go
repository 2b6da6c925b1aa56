// Package staff is the store of staff accounts and their sessions in SQLite.
package staff

import (
	"context"
	"database/sql"
	"errors"

	"schoolbell"
	"schoolbell/internal/staff"
	"schoolbell/internal/store/row"
	"schoolbell/internal/store/sqlite"
)

// Accounts implements staff.Store.
type Accounts struct{ DB *sqlite.DB }

// AddAccount implements staff.Store.
func (s Accounts) AddAccount(ctx context.Context, a schoolbell.StaffAccount) error {
	return sqlite.Write(ctx, s.DB, "add a staff account", func(c sqlite.Conn) error {
		n, err := countAccounts(ctx, c)
		if err == nil && n >= schoolbell.MaxStaff {
			err = row.TooManyStaff()
		}
		if err != nil {
			return err
		}
		return insert(ctx, c, a, "")
	})
}

func countAccounts(ctx context.Context, c sqlite.Conn) (n int, err error) {
	err = c.Get(ctx, "SELECT count(*) FROM staff", nil, &n)
	return n, err
}

func insert(ctx context.Context, c sqlite.Conn, a schoolbell.StaffAccount, passwordHash string) error {
	groups, err := putGroups(ctx, c, a)
	if err != nil {
		return err
	}
	n, err := c.Exec(ctx, insertAccount, args{"id": a.ID, "email": a.Email, "name": a.Name, "role": string(a.Role), "urgent": a.Urgent,
		"password": passwordHash, "created_at": a.CreatedAt.UnixMilli(), "groups": groups})
	if err == nil && n == 0 {
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
	return sqlite.Write(ctx, s.DB, "add the first staff account", func(c sqlite.Conn) error {
		if n, err := c.Exec(ctx, takeFirstLink, args{"digest": link}); err != nil || n == 0 {
			return orNoLink(err)
		}
		if n, err := countAccounts(ctx, c); err != nil || n > 0 {
			return errors.Join(err, row.HasStaff())
		}
		return insert(ctx, c, a, passwordHash)
	})
}

// takeFirstLink removes the link that makes the first account.
const takeFirstLink = "DELETE FROM staff_links WHERE digest = @digest AND staff_id = ''"

func orNoLink(err error) error {
	if err == nil {
		return schoolbell.NotFound("link", "")
	}
	return err
}

// ChangeAccount implements staff.Store.
func (s Accounts) ChangeAccount(ctx context.Context, a schoolbell.StaffAccount) error {
	return sqlite.Write(ctx, s.DB, "change a staff account", func(c sqlite.Conn) error {
		var taken bool
		if err := c.Get(ctx, emailTaken, args{"id": a.ID, "email": a.Email}, &taken); err != nil {
			return err
		}
		if taken {
			return row.EmailTaken()
		}
		groups, err := putGroups(ctx, c, a)
		if err != nil {
			return err
		}
		n, err := c.Exec(ctx, updateAccount,
			args{"id": a.ID, "email": a.Email, "name": a.Name, "role": string(a.Role), "urgent": a.Urgent, "groups": groups})
		if err == nil && n == 0 {
			return schoolbell.NotFound("staff account", a.ID)
		}
		if err != nil {
			return err
		}
		return keepAdmin(ctx, c)
	})
}

const (
	// emailTaken selects whether another account has an email address.
	emailTaken = "SELECT EXISTS (SELECT 1 FROM staff WHERE email = @email AND id <> @id)"

	// updateAccount changes what an admin chooses.
	updateAccount = "UPDATE staff SET email = @email, name = @name, role = @role, urgent = @urgent, groups = @groups WHERE id = @id"

	// countAdmins selects how many admins there are.
	countAdmins = "SELECT count(*) FROM staff WHERE role = @admin"
)

// keepAdmin fails if there is no admin.
func keepAdmin(ctx context.Context, c sqlite.Conn) error {
	var n int
	err := c.Get(ctx, countAdmins, args{"admin": string(schoolbell.RoleAdmin)}, &n)
	if err == nil && n == 0 {
		return row.LastAdmin()
	}
	return err
}

// RemoveAccount implements staff.Store.
func (s Accounts) RemoveAccount(ctx context.Context, id string) error {
	return sqlite.Write(ctx, s.DB, "remove a staff account", func(c sqlite.Conn) error {
		for _, statement := range []string{deleteSessions, deleteLinks, deleteDrafts} {
			if _, err := c.Exec(ctx, statement, args{"id": id}); err != nil {
				return err
			}
		}
		n, err := c.Exec(ctx, "DELETE FROM staff WHERE id = @id", args{"id": id})
		if err == nil && n == 0 {
			return schoolbell.NotFound("staff account", id)
		}
		if err != nil {
			return err
		}
		return keepAdmin(ctx, c)
	})
}

const (
	// deleteSessions deletes the sessions of an account.
	deleteSessions = "DELETE FROM staff_sessions WHERE staff_id = @id"

	// deleteLinks deletes the links of an account.
	deleteLinks = "DELETE FROM staff_links WHERE staff_id = @id"

	// deleteDrafts deletes the drafts of an account.
	deleteDrafts = "DELETE FROM drafts WHERE staff_id = @id"
)

// accountColumns are the columns that scanAccount reads.
const accountColumns = "staff.id, email, name, role, urgent, password, staff.created_at, signed_in_at, groups"

const (
	// listAccounts selects all accounts.
	listAccounts = "SELECT " + accountColumns + " FROM staff ORDER BY name, id"

	// selectAccount selects one account.
	selectAccount = "SELECT " + accountColumns + " FROM staff WHERE id = @id"

	// selectAccountByEmail selects the account with an email address.
	selectAccountByEmail = "SELECT " + accountColumns + " FROM staff WHERE email = @email"
)

// account is a row of an account.
type account struct {
	schoolbell.StaffAccount
	password string
}

// fields are where the columns of accountColumns go; done takes over what needs to be converted.
func (a *account) fields() (fields []any, done func()) {
	var role, groups string
	var created, signedIn sql.NullInt64
	return []any{&a.ID, &a.Email, &a.Name, &role, &a.Urgent, &a.password, &created, &signedIn, &groups}, func() {
		a.Role, a.Password, a.Groups = schoolbell.StaffRole(role), a.password != "", groupsOf(groups)
		a.CreatedAt, a.SignedInAt = timeOf(created), timeOf(signedIn)
	}
}

// Accounts implements staff.Store.
func (s Accounts) Accounts(ctx context.Context) (found []schoolbell.StaffAccount, err error) {
	err = sqlite.Read(ctx, s.DB, "list staff accounts", func(c sqlite.Conn) error {
		found = nil
		return c.Each(ctx, listAccounts, nil, func(scan func(...any) error) error {
			var a account
			fields, done := a.fields()
			if err := scan(fields...); err != nil {
				return err
			}
			done()
			found = append(found, a.StaffAccount)
			return nil
		})
	})
	return found, err
}

// Account implements staff.Store.
func (s Accounts) Account(ctx context.Context, id string) (schoolbell.StaffAccount, error) {
	a, err := s.one(ctx, selectAccount, args{"id": id})
	return a.StaffAccount, err
}

// Credentials implements staff.Store.
func (s Accounts) Credentials(ctx context.Context, email string) (schoolbell.StaffAccount, string, error) {
	a, err := s.one(ctx, selectAccountByEmail, args{"email": email})
	return a.StaffAccount, a.password, err
}

func (s Accounts) one(ctx context.Context, query string, of args) (a account, err error) {
	err = sqlite.Read(ctx, s.DB, "read a staff account", func(c sqlite.Conn) error {
		fields, done := a.fields()
		err := c.Get(ctx, query, of, fields...)
		if errors.Is(err, sql.ErrNoRows) {
			return schoolbell.NotFound("staff account", "")
		}
		if err == nil {
			done()
		}
		return err
	})
	return a, err
}

// SetPassword implements staff.Store.
func (s Accounts) SetPassword(ctx context.Context, link []byte, passwordHash string) error {
	return sqlite.Write(ctx, s.DB, "set the password of a staff account", func(c sqlite.Conn) error {
		var id string
		err := c.Get(ctx, "SELECT staff_id FROM staff_links WHERE digest = @digest", args{"digest": link}, &id)
		if errors.Is(err, sql.ErrNoRows) || err == nil && id == "" {
			return orNoLink(nil)
		}
		if err != nil {
			return err
		}
		for _, statement := range []string{deleteSessions, deleteLinks} {
			if _, err := c.Exec(ctx, statement, args{"id": id}); err != nil {
				return err
			}
		}
		n, err := c.Exec(ctx, "UPDATE staff SET password = @hash WHERE id = @id", args{"id": id, "hash": passwordHash})
		if err == nil && n == 0 {
			return orNoLink(nil)
		}
		return err
	})
}

// AddLink implements staff.Store.
func (s Accounts) AddLink(ctx context.Context, l staff.Link) error {
	return sqlite.Write(ctx, s.DB, "add a link of the staff", func(c sqlite.Conn) error {
		_, err := c.Exec(ctx, upsertLink, args{"digest": l.Digest, "staff_id": l.Account, "expires_at": l.ExpiresAt.UnixMilli()})
		return err
	})
}

// upsertLink inserts a link or replaces that of the same account.
const upsertLink = `
INSERT INTO staff_links (digest, staff_id, expires_at)
VALUES (@digest, @staff_id, @expires_at)
ON CONFLICT (staff_id) DO UPDATE
SET digest = excluded.digest,
	expires_at = excluded.expires_at`

// Link implements staff.Store.
func (s Accounts) Link(ctx context.Context, digest []byte) (l staff.Link, err error) {
	err = sqlite.Read(ctx, s.DB, "read a link of the staff", func(c sqlite.Conn) error {
		var expires sql.NullInt64
		err := c.Get(ctx, selectLink, args{"digest": digest}, &l.Digest, &l.Account, &expires)
		if errors.Is(err, sql.ErrNoRows) {
			return orNoLink(nil)
		}
		l.ExpiresAt = timeOf(expires)
		return err
	})
	return l, err
}

// selectLink selects a link.
const selectLink = "SELECT digest, staff_id, expires_at FROM staff_links WHERE digest = @digest"
