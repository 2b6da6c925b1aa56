package staff

import (
	"context"
	"encoding/json"
	"fmt"

	"schoolbell"
	"schoolbell/internal/store/row"
	"schoolbell/internal/store/sqlite"
)

// putGroups returns the groups to which an account is limited as its row has them, and stores them for the events that it creates. It
// is a fault if one does not exist.
func putGroups(ctx context.Context, c sqlite.Conn, a schoolbell.StaffAccount) (list string, err error) {
	if !a.Limited() {
		return "[]", nil
	}
	key, list := row.Area(a.Groups)
	var unknown []string
	err = c.Each(ctx, unknownGroups, args{"groups": list}, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		unknown = append(unknown, id)
		return err
	})
	if err == nil {
		err = row.UnknownStaffGroups(unknown)
	}
	if err == nil {
		_, err = c.Exec(ctx, insertArea, args{"key": key, "groups": list})
	}
	return list, err
}

const (
	// unknownGroups selects the ids that no group has.
	unknownGroups = "SELECT value FROM json_each(@groups) WHERE value NOT IN (SELECT id FROM groups)"

	// insertArea stores the groups of an account under their key.
	insertArea = "INSERT INTO areas (key, groups) VALUES (@key, @groups) ON CONFLICT DO NOTHING"
)

// groupsOf reads the groups of an account. A row that cannot be read must not remove the limit: the account then has a group that
// does not exist.
func groupsOf(list string) (groups []string) {
	if err := json.Unmarshal([]byte(list), &groups); err != nil {
		return []string{fmt.Sprintf("unreadable: %v", err)}
	}
	if len(groups) == 0 {
		return nil
	}
	return groups
}
