package staff

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// putGroups stores the groups to which an account is limited for the events that it creates. It is a fault if one does not exist.
func putGroups(ctx context.Context, tx pgx.Tx, a schoolbell.StaffAccount) error {
	if !a.Limited() {
		return nil
	}
	rows, err := tx.Query(ctx, unknownGroups, a.Groups)
	if err != nil {
		return err
	}
	unknown, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err == nil {
		err = row.UnknownStaffGroups(unknown)
	}
	if err == nil {
		key, _ := row.Area(a.Groups)
		_, err = tx.Exec(ctx, insertArea, key, a.Groups)
	}
	return err
}

const (
	// unknownGroups selects the ids that no group has.
	unknownGroups = "SELECT n.id FROM unnest($1::text[]) n(id) WHERE NOT EXISTS (SELECT FROM groups g WHERE g.id = n.id)"

	// insertArea stores the groups of an account under their key.
	insertArea = "INSERT INTO areas (key, groups) VALUES ($1, $2) ON CONFLICT DO NOTHING"
)

// orEmpty is the list as the column has it: not null.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
