package site

import (
	"slices"
	"strings"

	"schoolbell"
)

// checkLimit refuses what is outside of the groups of an account. What is there but outside does not exist for the account.
func (s *Site) checkLimit(c *Call) error {
	if !c.Account.Limited() {
		return nil
	}
	id, groups, inside := c.R.PathValue("id"), c.Account.Groups, true
	var err error
	switch c.route.Limit {
	case Free, Narrowed:
	case OfEvent:
		inside, err = s.cfg.Areas.EventWithin(c.Ctx(), id, groups)
	case OfPerson:
		var found map[string]bool
		found, err = s.cfg.Areas.PeopleWithin(c.Ctx(), groups, []string{id})
		inside = found[id]
	default:
		return &schoolbell.Error{Code: schoolbell.CodeForbidden, Message: "your account is limited to groups"}
	}
	if err == nil && !inside {
		return schoolbell.NotFound("page", id)
	}
	return err
}

// CheckPlace refuses the id of an event, as the place in a list, that is outside of the groups of an account. The answer would tell that
// there is such an event.
func (s *Site) CheckPlace(c *Call, event string) error {
	if event == "" || !c.Account.Limited() {
		return nil
	}
	inside, err := s.cfg.Areas.EventWithin(c.Ctx(), event, c.Account.Groups)
	if err == nil && !inside {
		return schoolbell.NotFound("event", event)
	}
	return err
}

// topicOf is the name of what open pages follow. Accounts with other groups follow another topic.
func topicOf(c *Call, name string) string {
	return name + OfGroups(c.Account.Groups)
}

// OfGroups ends the name of something that differs by the groups of accounts.
func OfGroups(groups []string) string { return " within [" + strings.Join(groups, ",") + "]" }

// Within returns those of ids whom an account may see; all of them without a limit.
func (s *Site) Within(c *Call, ids []string) (map[string]bool, error) {
	if c.Account.Limited() {
		return s.cfg.Areas.PeopleWithin(c.Ctx(), c.Account.Groups, ids)
	}
	all := make(map[string]bool, len(ids))
	for _, id := range ids {
		all[id] = true
	}
	return all, nil
}

// ShownGroups is how many groups a form offers.
const ShownGroups = 200

// OfferedGroups are the groups to which an account may send, and whether there are more than the form offers. An account without
// a limit may send to all.
func (s *Site) OfferedGroups(c *Call) (groups []*schoolbell.Group, more bool, err error) {
	if c.Account.Limited() {
		groups, err = s.cfg.Areas.GroupsBelow(c.Ctx(), c.Account.Groups)
	} else {
		groups, err = s.cfg.Groups.Groups(c.Ctx(), "", ShownGroups+1)
	}
	return groups[:min(len(groups), ShownGroups)], len(groups) > ShownGroups, err
}

// LimitWords say to which groups an account is limited, empty for none.
func (s *Site) LimitWords(c *Call) (string, error) {
	if !c.Account.Limited() {
		return "", nil
	}
	groups, err := s.cfg.Areas.GroupsBelow(c.Ctx(), c.Account.Groups)
	var names []string
	for _, g := range groups {
		if slices.Contains(c.Account.Groups, g.ID) {
			names = append(names, g.Name)
		}
	}
	return Join(FirstFew(names)), err
}
