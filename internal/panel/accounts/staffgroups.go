package accounts

import (
	"slices"

	"schoolbell"
	"schoolbell/internal/panel/site"
)

// groupPicks is the part of a form with which the groups of an account are chosen.
type groupPicks struct {
	Groups []site.Option
	More   bool // there are more than the form offers
}

// groupPicks offers the first groups, and those that are chosen.
func (p *Pages) groupPicks(c *site.Call, chosen []string) (picks groupPicks, err error) {
	groups, err := p.cfg.Groups.Groups(c.Ctx(), "", site.ShownGroups+1)
	if err != nil {
		return picks, err
	}
	picks.More = len(groups) > site.ShownGroups
	groups = groups[:min(len(groups), site.ShownGroups)]
	for _, g := range groups {
		picks.Groups = append(picks.Groups, site.Option{Value: g.ID, Name: g.Name, Current: slices.Contains(chosen, g.ID)})
	}
	for _, id := range chosen {
		if !slices.ContainsFunc(groups, func(g *schoolbell.Group) bool { return g.ID == id }) {
			picks.Groups = append(picks.Groups, site.Option{Value: id, Name: id, Current: true})
		}
	}
	return picks, nil
}
