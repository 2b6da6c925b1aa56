package panel

import (
	"net/http"

	"schoolbell"
)

// route is a page, or something that a form does.
type route struct {
	method, path string
	public       bool             // for people who have not signed in
	need         schoolbell.Scope // of the account's role
	action       string           // of forms: what the audit calls it, such as event.cancel
	reads        bool             // of forms that change nothing
	serve        func(*Server, *call) error
}

// anyRole is what routes need that everybody may use who has signed in.
const anyRole = schoolbell.ScopeRead

var routes = []route{
	{method: http.MethodGet, path: "sign-in", public: true, serve: (*Server).showSignIn},
	{method: http.MethodPost, path: "sign-in", public: true, action: "staff.sign_in", serve: (*Server).signIn},
	{method: http.MethodGet, path: "password/{secret}", public: true, serve: (*Server).showPassword},
	{method: http.MethodPost, path: "password/{secret}", public: true, action: "staff.password", serve: (*Server).putPassword},
	{method: http.MethodPost, path: "sign-out", need: anyRole, action: "staff.sign_out", serve: (*Server).signOut},
	{method: http.MethodPost, path: "sign-out-everywhere", need: anyRole, action: "staff.sign_out_everywhere", serve: (*Server).signOutEverywhere},
	{method: http.MethodGet, path: "account", need: anyRole, serve: (*Server).showAccount},
	{method: http.MethodGet, path: "more", need: anyRole, serve: (*Server).showMore},

	{method: http.MethodGet, path: "{$}", need: anyRole, serve: (*Server).showOverview},
	{method: http.MethodGet, path: "live", need: anyRole, serve: (*Server).streamOverview},
	{method: http.MethodGet, path: "events", need: anyRole, serve: (*Server).listEvents},
	{method: http.MethodGet, path: "events/{id}", need: anyRole, serve: (*Server).showEvent},
	{method: http.MethodGet, path: "events/{id}/live", need: anyRole, serve: (*Server).streamEvent},
	{method: http.MethodGet, path: "events/{id}/deliveries.csv", need: anyRole, serve: (*Server).exportDeliveries},
	{method: http.MethodGet, path: "events/{id}/cancel", need: schoolbell.ScopeSend, serve: (*Server).askCancel},
	{method: http.MethodPost, path: "events/{id}/cancel", need: schoolbell.ScopeSend, action: "event.cancel", serve: (*Server).cancelEvent},
	{method: http.MethodPost, path: "events/{id}/retry", need: schoolbell.ScopeSend, action: "event.retry", serve: (*Server).retryEvent},
	{method: http.MethodPost, path: "events/{id}/release", need: schoolbell.ScopeSend, action: "event.release", serve: (*Server).releaseEvent},

	{method: http.MethodGet, path: "compose", need: schoolbell.ScopeSend, serve: (*Server).showCompose},
	{method: http.MethodGet, path: "compose/urgent", need: schoolbell.ScopeSend, serve: (*Server).showUrgent},
	{method: http.MethodPost, path: "compose/count", need: schoolbell.ScopeSend, reads: true, serve: (*Server).countComposed},
	{method: http.MethodPost, path: "compose", need: schoolbell.ScopeSend, action: "event.create", serve: (*Server).sendComposed},

	{method: http.MethodGet, path: "people", need: anyRole, serve: (*Server).listPeople},
	{method: http.MethodGet, path: "people/{id}", need: anyRole, serve: (*Server).showPerson},
	{method: http.MethodGet, path: "people/{id}/edit", need: schoolbell.ScopeSend, serve: (*Server).editPerson},
	{method: http.MethodPost, path: "people/{id}/edit", need: schoolbell.ScopeSend, action: "user.put", serve: (*Server).putPerson},

	{method: http.MethodGet, path: "queues", need: schoolbell.ScopeAdmin, serve: (*Server).listQueues},
	{method: http.MethodGet, path: "queues/live", need: schoolbell.ScopeAdmin, serve: (*Server).streamQueues},
	{method: http.MethodGet, path: "queues/{queue}", need: schoolbell.ScopeAdmin, serve: (*Server).showQueue},
	{method: http.MethodPost, path: "queues/{queue}/pause", need: schoolbell.ScopeAdmin, action: "queue.pause", serve: (*Server).pauseQueue},
	{method: http.MethodPost, path: "queues/{queue}/resume", need: schoolbell.ScopeAdmin, action: "queue.resume", serve: (*Server).resumeQueue},
	{method: http.MethodGet, path: "queues/{queue}/remove", need: schoolbell.ScopeAdmin, serve: (*Server).askRemoveJobs},
	{method: http.MethodPost, path: "queues/{queue}/remove", need: schoolbell.ScopeAdmin, action: "queue.clean", serve: (*Server).removeJobs},
	{method: http.MethodGet, path: "queues/{queue}/jobs/{job}", need: schoolbell.ScopeAdmin, serve: (*Server).showJob},
	{method: http.MethodPost, path: "queues/{queue}/jobs/{job}/retry", need: schoolbell.ScopeAdmin, action: "job.retry", serve: (*Server).retryJob},
	{method: http.MethodPost, path: "queues/{queue}/jobs/{job}/promote", need: schoolbell.ScopeAdmin, action: "job.promote", serve: (*Server).promoteJob},
	{method: http.MethodPost, path: "queues/{queue}/jobs/{job}/remove", need: schoolbell.ScopeAdmin, action: "job.remove", serve: (*Server).removeJob},

	{method: http.MethodGet, path: "audit", need: schoolbell.ScopeAdmin, serve: (*Server).listAudit},
	{method: http.MethodGet, path: "staff", need: schoolbell.ScopeAdmin, serve: (*Server).listStaff},
	{method: http.MethodPost, path: "staff", need: schoolbell.ScopeAdmin, action: "staff.add", serve: (*Server).addStaff},
	{method: http.MethodGet, path: "staff/{id}", need: schoolbell.ScopeAdmin, serve: (*Server).editStaff},
	{method: http.MethodPost, path: "staff/{id}", need: schoolbell.ScopeAdmin, action: "staff.change", serve: (*Server).changeStaff},
	{method: http.MethodPost, path: "staff/{id}/link", need: schoolbell.ScopeAdmin, action: "staff.link", serve: (*Server).linkStaff},
	{method: http.MethodPost, path: "staff/{id}/remove", need: schoolbell.ScopeAdmin, action: "staff.remove", serve: (*Server).removeStaff},
}

// navigation is what the sidebar offers.
var navigation = []navGroup{
	{Label: "Messages", Items: []navItem{
		{Path: "", Icon: "i-home", Name: "Overview"},
		{Path: "events", Icon: "i-bell", Name: "Events"},
		{Path: "people", Icon: "i-people", Name: "People"},
	}},
	{Label: "Running it", Shown: true, Items: []navItem{
		{Path: "queues", Icon: "i-stack", Name: "Queues", need: schoolbell.ScopeAdmin},
		{Path: "audit", Icon: "i-log", Name: "Audit log", need: schoolbell.ScopeAdmin},
		{Path: "staff", Icon: "i-key", Name: "Staff", need: schoolbell.ScopeAdmin},
	}},
}

// navGroup is a part of the sidebar.
type navGroup struct {
	Label string
	Shown bool // the label is also shown
	Items []navItem
}

// navItem leads to a page.
type navItem struct {
	Path, Icon, Name string
	need             schoolbell.Scope // empty for everybody
}
