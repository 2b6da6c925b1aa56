package panel

import "schoolbell/internal/panel/site"

var (
	accountPage = parse("account.html")
	morePage    = parse("more.html")
)

// accountView is what people see of their own account.
type accountView struct {
	SignedIn site.Moment
	Limit    string // groups to which it is limited; empty for none
}

func (s *Server) showAccount(c *site.Call) error {
	words, err := s.site.LimitWords(c)
	if err != nil {
		return err
	}
	return s.site.Write(c, accountPage, site.Spec{Title: "Your account"}, accountView{s.site.When(c.Account.SignedInAt), words})
}

// showMore is the rest of the navigation on phones.
func (s *Server) showMore(c *site.Call) error {
	return s.site.Write(c, morePage, site.Spec{Title: "More", Path: "more"}, nil)
}
