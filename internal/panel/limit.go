package panel

import (
	"fmt"

	"schoolbell"
	"schoolbell/internal/panel/datatable"
	"schoolbell/internal/panel/site"
)

// maxOutside bounds how many people are named of whom an account may not say anything.
const maxOutside = 20

// checkAudience returns faults for what a limited account may not send to, and for people of whom it may not say anything.
func (s *Server) checkAudience(c *site.Call, a *schoolbell.Audience, about []schoolbell.PersonData) (schoolbell.Faults, error) {
	if !c.Account.Limited() {
		return nil, nil
	}
	groups, err := s.cfg.Areas.GroupsBelow(c.Ctx(), c.Account.Groups)
	allowed := make(map[string]bool, len(groups))
	for _, g := range groups {
		allowed[g.ID] = true
	}
	if err != nil {
		return nil, err
	}
	var named []string
	for _, part := range []*schoolbell.Selector{&a.Selector, a.GuardiansOf, a.Exclude} {
		if part != nil {
			named = append(named, part.Users...)
		}
	}
	for _, p := range about {
		named = append(named, p.User)
	}
	people, err := s.cfg.Areas.PeopleWithin(c.Ctx(), c.Account.Groups, named)
	faults := a.Outside(allowed, people)
	for i, p := range about {
		if !people[p.User] && len(faults) < maxOutside {
			faults.Add(fmt.Sprintf("%s[%d].user", datatable.Field, i), "no user %q", p.User)
		}
	}
	return faults, err
}

// offeredRoles are the roles to which an account may send.
func (s *Server) offeredRoles(c *site.Call) []schoolbell.Role {
	if c.Account.Limited() {
		return nil
	}
	return schoolbell.Roles()
}
