package panel

import (
	"strings"

	"schoolbell"
	"schoolbell/internal/panel/people"
	"schoolbell/internal/panel/site"
)

var searchPage = parse("search.html")

// shownFound is how many people and how many events a search of everything shows.
const shownFound = 8

// searchView is what a search of everything has found.
type searchView struct {
	Query                  string
	Says                   string
	Pages                  []site.NavItem
	People                 []people.Row
	Events                 []eventRow
	MorePeople, MoreEvents string // URLs of the lists with all that match; empty if all are shown
}

// search looks for people, events and pages of the panel at once.
func (s *Server) search(c *site.Call) (err error) {
	v := searchView{Query: strings.TrimSpace(c.R.URL.Query().Get("q"))}
	if v.Query != "" {
		v.Pages = pagesNamed(s.site.NavigationOf(c), v.Query)
		if v.People, v.MorePeople, err = s.searchPeople(c, v.Query); err != nil {
			return err
		}
		if v.Events, v.MoreEvents, err = s.searchEvents(c, v.Query); err != nil {
			return err
		}
		v.Says = site.Sentence(found(len(v.People), v.MorePeople != "", "person", "people") + ", " + found(len(v.Events), v.MoreEvents != "", "event", "events"))
	}
	return s.site.Write(c, searchPage, site.Spec{Title: "Search", Path: "search"}, v)
}

// pagesNamed are the pages of a navigation whose name has a text.
func pagesNamed(groups []site.NavGroup, text string) (pages []site.NavItem) {
	for _, g := range groups {
		for _, item := range g.Items {
			if strings.Contains(strings.ToLower(item.Name), strings.ToLower(text)) {
				pages = append(pages, item)
			}
		}
	}
	return pages
}

func (s *Server) searchPeople(c *site.Call, text string) (rows []people.Row, more string, err error) {
	filter := schoolbell.UserFilter{Text: text, Within: c.Account.Groups}
	users, err := s.cfg.Directory.Find(c.Ctx(), filter, schoolbell.UserPlace{}, shownFound+1)
	if err != nil {
		return nil, "", err
	}
	if len(users) > shownFound {
		users, more = users[:shownFound], people.ListURL(filter, "", schoolbell.UserPlace{})
	}
	rows, err = s.people.Rows(c, users)
	return rows, more, err
}

func (s *Server) searchEvents(c *site.Call, text string) (rows []eventRow, more string, err error) {
	filter := schoolbell.EventFilter{Text: text, Within: c.Account.Groups}
	events, err := s.cfg.Overview.CountedEvents(c.Ctx(), filter, "", shownFound+1)
	if err != nil {
		return nil, "", err
	}
	if len(events) > shownFound {
		events, more = events[:shownFound], listURL(filter, "")
	}
	names, err := s.site.Names(c.Ctx())
	return s.eventRows(events, names), more, err
}

// found says how many there are.
func found(n int, more bool, one, many string) string {
	if more {
		return "more than " + site.Count(n, one, many)
	}
	if n == 0 {
		return "no " + many
	}
	return site.Count(n, one, many)
}
