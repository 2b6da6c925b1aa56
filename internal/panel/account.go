package panel

var (
	accountPage = parse("account.html")
	morePage    = parse("more.html")
)

// accountView is what people see of their own account.
type accountView struct{ SignedIn moment }

func (s *Server) showAccount(c *call) error {
	return s.write(c, accountPage, pageSpec{title: "Your account"}, accountView{s.when(c.account.SignedInAt)})
}

// showMore is the rest of the navigation on phones.
func (s *Server) showMore(c *call) error {
	return s.write(c, morePage, pageSpec{title: "More", path: "more"}, nil)
}
