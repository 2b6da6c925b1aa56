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

// Identities implements staff.IdentityStore.
type Identities struct{ DB *sqlite.DB }

// IdentityAccount implements staff.IdentityStore.
func (s Identities) IdentityAccount(ctx context.Context, issuer, subject string) (schoolbell.StaffAccount, error) {
	a, err := Accounts(s).one(ctx, selectIdentityAccount, args{"issuer": issuer, "subject": subject})
	return a.StaffAccount, err
}

// selectIdentityAccount selects the account of an identity.
const selectIdentityAccount = `
SELECT ` + accountColumns + `
FROM staff_identities
	JOIN staff ON staff.id = staff_id
WHERE issuer = @issuer AND subject = @subject`

// LinkIdentity implements staff.IdentityStore.
func (s Identities) LinkIdentity(ctx context.Context, l staff.Linked, email string) (a schoolbell.StaffAccount, err error) {
	err = sqlite.Write(ctx, s.DB, "link an identity", func(c sqlite.Conn) error {
		var of account
		fields, done := of.fields()
		err := c.Get(ctx, selectAccountByEmail, args{"email": email}, fields...)
		if errors.Is(err, sql.ErrNoRows) {
			return schoolbell.NotFound("staff account", "")
		}
		if err != nil {
			return err
		}
		done()
		a = of.StaffAccount
		n, err := c.Exec(ctx, insertIdentity, args{"issuer": l.Issuer, "subject": l.Subject, "id": a.ID, "at": l.At.UnixMilli()})
		if err != nil || n > 0 {
			return err
		}
		var same bool
		err = c.Get(ctx, hasIdentity, args{"issuer": l.Issuer, "subject": l.Subject, "id": a.ID}, &same)
		if err == nil && !same {
			return row.OtherIdentity()
		}
		return err
	})
	return a, err
}

const (
	// insertIdentity inserts an identity, unless it has an account or the account has another one of the issuer.
	insertIdentity = `
INSERT INTO staff_identities (issuer, subject, staff_id, linked_at)
VALUES (@issuer, @subject, @id, @at)
ON CONFLICT DO NOTHING`

	// hasIdentity selects whether an account has an identity.
	hasIdentity = "SELECT EXISTS (SELECT 1 FROM staff_identities WHERE issuer = @issuer AND subject = @subject AND staff_id = @id)"
)

// Identity implements staff.IdentityStore.
func (s Identities) Identity(ctx context.Context, account, issuer string) (l staff.Linked, err error) {
	err = sqlite.Read(ctx, s.DB, "read an identity", func(c sqlite.Conn) error {
		var at sql.NullInt64
		err := c.Get(ctx, selectIdentity, args{"id": account, "issuer": issuer}, &l.Issuer, &l.Subject, &l.Account, &at)
		if errors.Is(err, sql.ErrNoRows) {
			return schoolbell.NotFound("identity", "")
		}
		l.At = timeOf(at)
		return err
	})
	return l, err
}

// selectIdentity selects the identity of an account at an issuer.
const selectIdentity = "SELECT issuer, subject, staff_id, linked_at FROM staff_identities WHERE staff_id = @id AND issuer = @issuer"

// UnlinkIdentities implements staff.IdentityStore.
func (s Identities) UnlinkIdentities(ctx context.Context, account string) error {
	return sqlite.Write(ctx, s.DB, "unlink the identities of a staff account", func(c sqlite.Conn) error {
		n, err := c.Exec(ctx, "DELETE FROM staff_identities WHERE staff_id = @id", args{"id": account})
		if err == nil && n == 0 {
			return schoolbell.NotFound("identity", "")
		}
		if err == nil {
			_, err = c.Exec(ctx, deleteSessions, args{"id": account})
		}
		return err
	})
}
