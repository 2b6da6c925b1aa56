package panel

import (
	"net/http"

	"schoolbell"
	"schoolbell/internal/panel/site"
)

// routes are those of the pages that are not in a package of their own.
func (s *Server) routes() []site.Route {
	return []site.Route{
		{Method: http.MethodGet, Path: "sign-in", Public: true, Serve: s.showSignIn},
		{Method: http.MethodPost, Path: "sign-in", Public: true, Action: "staff.sign_in", Serve: s.signIn},
		{Method: http.MethodGet, Path: "oidc/start", Public: true, Serve: s.startSignOn},
		{Method: http.MethodGet, Path: "oidc/callback", Public: true, Action: "staff.sign_in", Serve: s.finishSignOn},
		{Method: http.MethodGet, Path: "password/{secret}", Public: true, Serve: s.showPassword},
		{Method: http.MethodGet, Path: "reset", Public: true, Serve: s.showReset},
		{Method: http.MethodPost, Path: "reset", Public: true, Reads: true, Serve: s.askReset}, // a link has its own entry in the audit
		{Method: http.MethodPost, Path: "password/{secret}", Public: true, Action: "staff.password", Serve: s.putPassword},
		{Method: http.MethodPost, Path: "sign-out", Need: site.AnyRole, Limit: site.Free, Action: "staff.sign_out", Serve: s.signOut},
		{Method: http.MethodPost, Path: "sign-out-everywhere", Need: site.AnyRole, Limit: site.Free, Action: "staff.sign_out_everywhere", Serve: s.signOutEverywhere},
		{Method: http.MethodGet, Path: "account", Need: site.AnyRole, Limit: site.Free, Serve: s.showAccount},
		{Method: http.MethodGet, Path: "more", Need: site.AnyRole, Limit: site.Free, Serve: s.showMore},
		{Method: http.MethodGet, Path: "search", Need: site.AnyRole, Limit: site.Narrowed, Serve: s.search},

		{Method: http.MethodGet, Path: "{$}", Need: site.AnyRole, Limit: site.Narrowed, Serve: s.showOverview},
		{Method: http.MethodGet, Path: "live", Need: site.AnyRole, Limit: site.Narrowed, Serve: s.streamOverview},
		{Method: http.MethodGet, Path: "events", Need: site.AnyRole, Limit: site.Narrowed, Serve: s.listEvents},
		{Method: http.MethodGet, Path: "events/{id}", Need: site.AnyRole, Limit: site.OfEvent, Serve: s.showEvent},
		{Method: http.MethodGet, Path: "events/{id}/live", Need: site.AnyRole, Limit: site.OfEvent, Serve: s.streamEvent},
		{Method: http.MethodGet, Path: "events/{id}/deliveries.csv", Need: site.AnyRole, Limit: site.OfEvent, Serve: s.exportDeliveries},
		{Method: http.MethodGet, Path: "events/{id}/preview", Need: schoolbell.ScopeSend, Limit: site.OfEvent, Serve: s.previewEvent},
		{Method: http.MethodGet, Path: "events/{id}/change", Need: schoolbell.ScopeSend, Limit: site.OfEvent, Serve: s.editEvent},
		{Method: http.MethodPost, Path: "events/{id}/change", Need: schoolbell.ScopeSend, Limit: site.OfEvent, Action: "event.change", Serve: s.changeEvent},
		{Method: http.MethodPost, Path: "events/{id}/change/form", Need: schoolbell.ScopeSend, Limit: site.OfEvent, Reads: true, Serve: s.changeStep},
		{Method: http.MethodPost, Path: "events/{id}/update", Need: schoolbell.ScopeSend, Limit: site.OfEvent, Action: "event.update", Serve: s.updateEvent},
		{Method: http.MethodGet, Path: "events/{id}/cancel", Need: schoolbell.ScopeSend, Limit: site.OfEvent, Serve: s.askCancel},
		{Method: http.MethodPost, Path: "events/{id}/cancel", Need: schoolbell.ScopeSend, Limit: site.OfEvent, Action: "event.cancel", Serve: s.cancelEvent},
		{Method: http.MethodPost, Path: "events/{id}/retry", Need: schoolbell.ScopeSend, Limit: site.OfEvent, Action: "event.retry", Serve: s.retryEvent},
		{Method: http.MethodGet, Path: "events/{id}/release", Need: schoolbell.ScopeSend, Limit: site.OfEvent, Serve: s.askRelease},
		{Method: http.MethodPost, Path: "events/{id}/release", Need: schoolbell.ScopeSend, Limit: site.OfEvent, Action: "event.release", Serve: s.releaseEvent},

		{Method: http.MethodGet, Path: "compose", Need: schoolbell.ScopeSend, Limit: site.Narrowed, Serve: s.showCompose},
		{Method: http.MethodGet, Path: "compose/urgent", Need: schoolbell.ScopeSend, Limit: site.Narrowed, Serve: s.showUrgent},
		{Method: http.MethodPost, Path: "compose/form", Need: schoolbell.ScopeSend, Limit: site.Narrowed, Reads: true, Serve: s.composeStep},
		{Method: http.MethodPost, Path: "compose/count", Need: schoolbell.ScopeSend, Limit: site.Narrowed, Reads: true, Serve: s.countComposed},
		{Method: http.MethodPost, Path: "compose/draft", Need: schoolbell.ScopeSend, Limit: site.Free, Own: true, Serve: s.saveDraft},
		{Method: http.MethodPost, Path: "compose", Need: schoolbell.ScopeSend, Limit: site.Narrowed, Action: "event.create", Serve: s.sendComposed},
		{Method: http.MethodGet, Path: "drafts", Need: schoolbell.ScopeSend, Limit: site.Free, Serve: s.listDrafts},
		{Method: http.MethodGet, Path: "drafts/{id}", Need: schoolbell.ScopeSend, Limit: site.Free, Serve: s.showDraft},
		{Method: http.MethodGet, Path: "drafts/{id}/remove", Need: schoolbell.ScopeSend, Limit: site.Free, Serve: s.askRemoveDraft},
		{Method: http.MethodPost, Path: "drafts/{id}/remove", Need: schoolbell.ScopeSend, Limit: site.Free, Own: true, Serve: s.removeDraft},
	}
}

// navigation is what the sidebar offers. Caught is whether the mail catcher takes the email.
func navigation(caught bool) []site.NavGroup {
	running := site.NavGroup{Label: "Running it", Shown: true, Items: []site.NavItem{{Path: "queues", Icon: "i-stack", Name: "Queues", Need: schoolbell.ScopeAdmin}}}
	if caught {
		running.Items = append(running.Items, site.NavItem{Path: "mail", Icon: "i-mail", Name: "Caught mail", Need: schoolbell.ScopeAdmin})
	}
	running.Items = append(running.Items,
		site.NavItem{Path: "audit", Icon: "i-log", Name: "Audit log", Need: schoolbell.ScopeAdmin},
		site.NavItem{Path: "staff", Icon: "i-key", Name: "Staff", Need: schoolbell.ScopeAdmin},
		site.NavItem{Path: "settings", Icon: "i-gear", Name: "Settings", Need: schoolbell.ScopeAdmin})
	return []site.NavGroup{{Label: "Messages", Items: []site.NavItem{
		{Path: "", Icon: "i-home", Name: "Overview"},
		{Path: "events", Icon: "i-bell", Name: "Events"},
		{Path: "templates", Icon: "i-doc", Name: "Templates", Need: schoolbell.ScopeAdmin},
		{Path: "people", Icon: "i-people", Name: "People"},
	}}, running}
}

// notices are what a page says after a form was carried out, by the value of ?done.
var notices = map[string]string{
	"draft":        "The draft is saved.",
	"discarded":    "The draft is removed.",
	"created":      "The event is created.",
	"changed":      "The event is changed.",
	"updated":      "The event is changed, and those who have it are told.",
	"cancelled":    "The event is cancelled. What was not sent by now is not sent any more.",
	"retracted":    "The event is cancelled, and those who had it are told.",
	"retried":      "The failed deliveries are being sent again.",
	"none-retried": "Nothing was sent again: none of these deliveries is failed any more.",
	"released":     "The event is released and is being sent.",
}
