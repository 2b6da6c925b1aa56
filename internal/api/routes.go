package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"schoolbell"
)

// What a route needs; open routes need nothing.
const (
	open  schoolbell.Scope = ""
	read                   = schoolbell.ScopeRead
	send                   = schoolbell.ScopeSend
	admin                  = schoolbell.ScopeAdmin
)

// route is one line of the table: everything about a call but its types.
type route struct {
	method, path string
	need         schoolbell.Scope // the least scope of a key
	user         bool             // a token of the user {id} will do as well
	tag, id      string
	summary      string
	status       int // of success; 0 for the usual one
	mount        func(*Server, route)
	produces     string // media type of the answer where it is not JSON
}

// routes is every call that this server answers, with what it needs.
func (s *Server) routes() []route {
	return slices.DeleteFunc(s.allRoutes(), func(r route) bool { return r.id == "metrics" && s.cfg.NoMetrics })
}

// allRoutes is every call there is.
func (s *Server) allRoutes() []route {
	const (
		get, put, post, del             = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete
		events, users, groups           = "Events", "Users", "Groups"
		inbox, queues, service          = "Inbox", "Queues", "Service"
		created, noContent              = http.StatusCreated, http.StatusNoContent
		event, user, group, queue, jobs = "/v1/events/{id}", "/v1/users/{id}", "/v1/groups/{id}", "/v1/queues/{queue}", "/v1/queues/{queue}/jobs/{job}"
	)
	return []route{
		{post, "/v1/events", send, false, events, "create-event", "Create an event", created, typed(s.createEvent), ""},
		{get, "/v1/events", read, false, events, "list-events", "List events, newest first", 0, typed(s.listEvents), ""},
		{get, event, read, false, events, "get-event", "Get an event and how far it is", 0, typed(s.getEvent), ""},
		{get, event + "/deliveries", read, false, events, "list-deliveries", "List what became of each delivery", 0, typed(s.listDeliveries), ""},
		{get, event + "/stream", read, false, events, "stream-event", "Follow an event's progress live", 0, typed(s.streamEvent), eventStream},
		{post, event + "/cancel", send, false, events, "cancel-event", "Call an event off", 0, typed(s.cancelEvent), ""},
		{post, event + "/retry", send, false, events, "retry-event", "Try failed deliveries again", 0, typed(s.retryEvent), ""},

		{post, "/v1/users:import", admin, false, users, importUsersID, "Import users from NDJSON or CSV", 0, typed(s.importUsers), ""},
		{get, "/v1/users", read, false, users, "list-users", "List users in order of id", 0, typed(s.listUsers), ""},
		{put, user, admin, false, users, "put-user", "Create or replace a user", 0, typed(s.putUser), ""},
		{get, user, read, false, users, "get-user", "Get a user", 0, typed(s.getUser), ""},
		{del, user, admin, false, users, "delete-user", "Forget a user", noContent, typed(s.deleteUser), ""},
		{post, user + "/token", send, false, users, "create-token", "Make a short-lived token that speaks for a user", created, typed(s.createToken), ""},
		{del, user + "/token", send, false, users, "revoke-tokens", "Revoke all tokens of a user", noContent, typed(s.revokeTokens), ""},
		{get, user + "/preferences", read, true, users, "get-preferences", "Get what a user opted out of", 0, typed(s.getPreferences), ""},
		{put, user + "/preferences", send, true, users, "put-preferences", "Opt a user out of a category on a channel, or in again", 0, typed(s.putPreferences), ""},

		{get, user + "/inbox", read, true, inbox, "list-inbox", "List a user's inbox, newest first", 0, typed(s.listInbox), ""},
		{get, user + "/inbox/stream", read, true, inbox, "stream-inbox", "Follow a user's inbox live", 0, typed(s.streamInbox), eventStream},
		{post, user + "/inbox/read-all", send, true, inbox, "read-inbox", "Mark all of a user's inbox read", 0, typed(s.readInbox), ""},
		{post, user + "/inbox/{event}/read", send, true, inbox, "read-item", "Mark one item read", 0, typed(s.readItem), ""},

		{get, "/v1/groups", read, false, groups, "list-groups", "List groups in order of id", 0, typed(s.listGroups), ""},
		{put, group, admin, false, groups, "put-group", "Create or replace a group", 0, typed(s.putGroup), ""},
		{get, group, read, false, groups, "get-group", "Get a group", 0, typed(s.getGroup), ""},

		{get, "/v1/queues", read, false, queues, "list-queues", "List the queues with their counts", 0, typed(s.listQueues), ""},
		{get, queue + "/counts", read, false, queues, "count-jobs", "Count a queue's jobs by state", 0, typed(s.countJobs), ""},
		{get, queue + "/jobs", read, false, queues, "list-jobs", "List a queue's jobs of one state, newest first", 0, typed(s.listJobs), ""},
		{get, jobs, read, false, queues, "get-job", "Get a job with its state and log", 0, typed(s.getJob), ""},
		{post, jobs + "/retry", admin, false, queues, "retry-job", "Put a finished job back in line", 0, typed(s.retryJob), ""},
		{post, jobs + "/promote", admin, false, queues, "promote-job", "Run a delayed job now", 0, typed(s.promoteJob), ""},
		{post, jobs + "/remove", admin, false, queues, "remove-job", "Remove a job", noContent, typed(s.removeJob), ""},
		{post, queue + "/pause", admin, false, queues, "pause-queue", "Stop workers from taking jobs", 0, typed(s.pauseQueue), ""},
		{post, queue + "/resume", admin, false, queues, "resume-queue", "Let workers take jobs again", 0, typed(s.resumeQueue), ""},
		{post, queue + "/clean", admin, false, queues, "clean-queue", "Remove old jobs of one state", 0, typed(s.cleanQueue), ""},

		{get, "/livez", open, false, service, "livez", "Whether the process runs", 0, typed(s.live), ""},
		{get, "/readyz", open, false, service, "readyz", "Whether everything the service needs is there", 0, typed(s.ready), ""},
		{get, "/metrics", open, false, service, "metrics", "Figures for Prometheus", 0, plain(s.metricsHandler()), "text/plain"},
		{get, "/openapi.json", open, false, service, "openapi", "This document", 0, plain(http.HandlerFunc(s.serveOpenAPI)), "application/openapi+json"},
	}
}

// typed mounts a handler whose request is read and checked by its type.
func typed[I, O any](handle func(context.Context, *I) (*O, error)) func(*Server, route) {
	return func(s *Server, rt route) {
		op := s.operation(rt)
		op.Middlewares = huma.Middlewares{s.authorized(rt), refuseLarge(rt), s.readBody(rt)}
		huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
			out, err := handle(ctx, in)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			return out, nil
		})
		if body := operationOf(s.api.OpenAPI().Paths[rt.path], rt.method).RequestBody; body != nil {
			delete(body.Content, "application/octet-stream") // huma's guess where a handler sees the raw body too
		}
	}
}

// plain mounts a handler that has no types, and documents it.
func plain(h http.Handler) func(*Server, route) {
	return func(s *Server, rt route) {
		op := s.operation(rt)
		s.api.OpenAPI().AddOperation(&op)
		s.mux.Handle(rt.method+" "+rt.path, h)
	}
}

// refuseLarge answers a body that says beforehand that it is too large.
func refuseLarge(rt route) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		if r.ContentLength > int64(rt.maxBody()) && rt.id != importUsersID {
			discard(w, r)
			writeProblem(w, tooLarge(rt.maxBody()))
			return
		}
		next(ctx)
	}
}
