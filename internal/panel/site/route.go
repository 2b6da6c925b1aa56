package site

import "schoolbell"

// Route is a page, or something that a form does.
type Route struct {
	Method, Path string
	Public       bool             // for people who have not signed in
	Need         schoolbell.Scope // of the account's role
	Action       string           // of forms: what the audit calls it, such as event.cancel
	Reads        bool             // of forms that change nothing
	Own          bool             // of forms that change what nobody else sees, such as drafts: they are not in the audit
	Upload       bool             // of forms with a file, which are read while they arrive
	Limit        Limit            // what accounts with groups may use of it
	Serve        func(*Call) error
}

// Group is pages that belong together.
type Group struct {
	Routes  []Route
	Notices map[string]string // what a page says after a form was carried out, by the value of ?done
}

// AnyRole is what routes need that everybody may use who has signed in.
const AnyRole = schoolbell.ScopeRead

// Limit says what a route is to an account that is limited to groups.
type Limit int

const (
	Refused  Limit = iota // such an account may not use it
	Free                  // the same for every account, or about the own one
	Narrowed              // it shows and takes only what is within the groups of the account
	OfEvent               // {id} is an event, which must have been created within the groups
	OfPerson              // {id} is a person, who must be within the groups
)

// NavGroup is a part of the sidebar.
type NavGroup struct {
	Label string
	Shown bool // the label is also shown
	Items []NavItem
}

// NavItem leads to a page.
type NavItem struct {
	Path, Icon, Name string
	Need             schoolbell.Scope // empty for everybody
}
