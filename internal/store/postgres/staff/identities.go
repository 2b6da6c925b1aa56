package staff

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/staff"
	"schoolbell/internal/store/postgres"
	"schoolbell/internal/store/row"
)

// Identities implements staff.IdentityStore.
type Identities struct{ DB *postgres.DB }

// IdentityAccount implements staff.IdentityStore.
func (s Identities) IdentityAccount(ctx context.Context, issuer, subject string) (schoolbell.StaffAccount, error) {
	a, err := Accounts(s).one(ctx, selectIdentityAccount, issuer, subject)
	return a.StaffAccount, err
}

// selectIdentityAccount selects the account of an identity.
const selectIdentityAccount = `
	SELECT ` + accountColumns + `
	FROM staff_identities
		JOIN staff ON staff.id = staff_id
	WHERE issuer = $1 AND subject = $2`

// LinkIdentity implements staff.IdentityStore.
func (s Identities) LinkIdentity(ctx context.Context, l staff.Linked, email string) (a schoolbell.StaffAccount, err error) {
	err = postgres.Write(ctx, s.DB, "link an identity", func(tx pgx.Tx) error {
		var of account
		fields, done := of.fields()
		err := tx.QueryRow(ctx, selectAccountByEmail, email).Scan(fields...)
		if errors.Is(err, pgx.ErrNoRows) {
			return schoolbell.NotFound("staff account", "")
		}
		if err != nil {
			return err
		}
		done()
		a = of.StaffAccount
		tag, err := tx.Exec(ctx, insertIdentity, named{"issuer": l.Issuer, "subject": l.Subject, "id": a.ID, "at": l.At})
		if err != nil || tag.RowsAffected() > 0 {
			return err
		}
		var same bool
		err = tx.QueryRow(ctx, hasIdentity, l.Issuer, l.Subject, a.ID).Scan(&same)
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
	hasIdentity = "SELECT EXISTS (SELECT 1 FROM staff_identities WHERE issuer = $1 AND subject = $2 AND staff_id = $3)"
)

// Identity implements staff.IdentityStore.
func (s Identities) Identity(ctx context.Context, account, issuer string) (l staff.Linked, err error) {
	err = postgres.Read(ctx, s.DB, "read an identity", func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, selectIdentity, account, issuer).Scan(&l.Issuer, &l.Subject, &l.Account, &l.At)
		if errors.Is(err, pgx.ErrNoRows) {
			return schoolbell.NotFound("identity", "")
		}
		l.At = l.At.UTC()
		return err
	})
	return l, err
}

// selectIdentity selects the identity of an account at an issuer.
const selectIdentity = "SELECT issuer, subject, staff_id, linked_at FROM staff_identities WHERE staff_id = $1 AND issuer = $2"

// UnlinkIdentities implements staff.IdentityStore.
func (s Identities) UnlinkIdentities(ctx context.Context, account string) error {
	return postgres.Write(ctx, s.DB, "unlink the identities of a staff account", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "DELETE FROM staff_identities WHERE staff_id = $1", account)
		if err == nil && tag.RowsAffected() == 0 {
			return schoolbell.NotFound("identity", "")
		}
		if err == nil {
			_, err = tx.Exec(ctx, deleteSessions, account)
		}
		return err
	})
}
