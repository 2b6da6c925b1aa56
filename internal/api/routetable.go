package api

import (
	"cmp"
	"net/http"
	"reflect"

	"schoolbell"
	"schoolbell/internal/receipt"
	"schoolbell/wire"
)

// group is a part of the route table. What a route leaves empty, its group says.
type group struct {
	tag    string           // heading in the documentation
	path   string           // in front of each route's own
	read   schoolbell.Scope // the least scope of a key for GET; empty for none at all
	write  schoolbell.Scope // the least scope of a key for other methods
	user   bool             // the token of the user {id} will do as well
	routes []route
}

// route is one call of the API: everything about it but its types.
type route struct {
	id          string // OpenAPI's operationId
	method      string // empty means GET
	path        string // after the group's
	action      string // of a route that changes something or tells everything, as the audit names it; its first part is the kind of the target
	summary     string
	description string           // what types and summary do not say
	need        schoolbell.Scope // the least scope of a key, if it differs from the group's
	status      int              // of success; 0 for the usual one
	consumes    string           // media type of the body, of routes that see it as it came
	produces    string           // media type of the response if it is not JSON
	large       bool             // its body may be as large as an event
	personal    bool             // its body may be as large as an event with personal data
	reads       bool             // it changes nothing, whatever its method says
	streamed    bool             // its handler reads the body itself
	bulk        bool             // its body has many events, see readBulk
	document    reflect.Type     // of the JSON that its handler streams
	handler     mount

	// Of the group.
	tag  string
	user bool
}

// routes returns every call that this server serves, with its group's settings.
func (s *Server) routes() (routes []route) {
	for _, g := range s.groups() {
		for _, rt := range g.routes {
			if rt.id == "metrics" && s.cfg.NoMetrics {
				continue
			}
			rt.method = cmp.Or(rt.method, http.MethodGet)
			rt.path = g.path + rt.path
			if rt.method == http.MethodGet {
				rt.need = cmp.Or(rt.need, g.read)
			} else {
				rt.need = cmp.Or(rt.need, g.write)
			}
			rt.tag, rt.user = g.tag, g.user
			routes = append(routes, rt)
		}
	}
	return routes
}

// groups is the route table.
func (s *Server) groups() []group {
	const (
		post, put, del         = http.MethodPost, http.MethodPut, http.MethodDelete
		readScope, send, admin = schoolbell.ScopeRead, schoolbell.ScopeSend, schoolbell.ScopeAdmin
		openAPI, text          = "application/openapi+json", "text/plain"
		jsonType, form         = "application/json", "application/x-www-form-urlencoded"
	)
	return []group{
		{tag: "Events", path: "/v1/events", read: readScope, write: send, routes: []route{
			{id: "create-event", action: "event.create", method: post, handler: typed(s.createEvent), status: http.StatusCreated, personal: true,
				summary: "Create an event"},
			{id: "create-events", action: "event.create", method: post, path: ":bulk", handler: typed(s.createEvents), bulk: true,
				summary: "Create up to 1,000 events",
				description: "The body is a JSON array of events, or NDJSON with one event per line, up to 8 MiB. " +
					"There is one result for each event, in order: 201 with the event, 200 with the earlier event that has its idempotency_key, " +
					"or 422 with the problem. An invalid event does not stop the others. After any other error nothing was stored."},
			{id: "preview-event", method: post, reads: true, path: ":preview", handler: typed(s.previewEvent), large: true,
				summary: "Tell what would happen if an event were created",
				description: "The body is that of an event to create, and is checked as it is. Nothing is stored or sent. " +
					"What is counted is what sending would do at this moment."},
			{id: "list-events", handler: typed(s.listEvents), summary: "List events, newest first"},
			{id: "get-event", path: "/{id}", handler: typed(s.getEvent), summary: "Get an event and its progress"},
			{id: "list-deliveries", path: "/{id}/deliveries", handler: typed(s.listDeliveries),
				summary: "List an event's deliveries"},
			{id: "stream-event", path: "/{id}/stream", handler: typed(s.streamEvent), produces: eventStream,
				summary: "Follow an event's progress live",
				description: "Sends an event named progress at once and after each change, and one named done at the end. " +
					"Each has id, status and progress, as GET returns them."},
			{id: "change-event", action: "event.change", method: http.MethodPatch, path: "/{id}", handler: typed(s.changeEvent), large: true, summary: "Change an event before it is sent",
				description: "What the body leaves out stays; null removes an optional field. Once messages are being sent, the answer is 409."},
			{id: "update-event", action: "event.update", method: post, path: "/{id}/update", handler: typed(s.updateEvent), large: true, summary: "Change an event that was sent",
				description: "The body is that of a change, without audience, channels and send_at. Those who do not have the event yet get the new text. A further wave tells the others."},
			{id: "cancel-event", action: "event.cancel", method: post, path: "/{id}/cancel", handler: typed(s.cancelEvent), summary: "Cancel an event",
				description: "Messages that were not sent are never sent. With notify, a further wave tells those whom the event has reached."},
			{id: "release-event", action: "event.release", method: post, path: "/{id}/release", handler: typed(s.releaseEvent), summary: "Release a held event",
				description: "Events are held that were open in a ledger when it was restored from a backup. What was sent after the backup was made is sent a second time."},
			{id: "release-events", action: "event.release", method: post, path: ":release", handler: typed(s.releaseEvents), summary: "Release all held events",
				description: "The body has the number of held events that the caller knows of. If it is another one, nothing is released."},
			{id: "retry-event", action: "event.retry", method: post, path: "/{id}/retry", handler: typed(s.retryEvent), summary: "Retry failed deliveries"},
		}},
		{tag: "Users", path: "/v1/users", read: readScope, write: admin, routes: []route{
			{id: "import-users", action: "user.import", method: post, path: ":import", handler: typed(s.importUsers), streamed: true,
				summary: "Import users from NDJSON or CSV",
				description: "NDJSON has one user per line, as PUT takes it, with id. CSV begins with a header that names its columns: " +
					"id, name, email, phone, roles, groups, locale, timezone, guardian_of, in any order. Lists are separated by ; or |. " +
					"Invalid rows are reported by line. The rest are imported."},
			{id: "list-users", handler: typed(s.listUsers), summary: "List users by id"},
			{id: "put-user", action: "user.put", method: put, path: "/{id}", handler: typed(s.putUser), summary: "Create or replace a user"},
			{id: "get-user", path: "/{id}", handler: typed(s.getUser), summary: "Get a user"},
			{id: "delete-user", action: "user.delete", method: del, path: "/{id}", handler: typed(s.deleteUser), status: http.StatusNoContent,
				summary: "Delete a user",
				description: "Erases name, addresses, roles, groups, guardianships, preferences and inbox, and revokes the tokens. " +
					"Deliveries stay and show # and a number as user_id."},
			{id: "list-user-deliveries", path: "/{id}/deliveries", handler: typed(s.listUserDeliveries), summary: "List what was sent to a user, newest event first",
				description: "limit counts events. A page looks through a number of events and no more: it may be short or empty although there is a next one."},
			{id: "export-user", action: "user.export", path: "/{id}/export", handler: typed(s.exportUser), need: admin, produces: "application/json",
				document: reflect.TypeFor[wire.UserExport](), summary: "Export everything that is stored about a user",
				description: "The document is written while it is read, so it may be large. If it cannot be completed, the connection ends before it is."},
			{id: "create-token", action: "user.create_token", method: post, path: "/{id}/token", handler: typed(s.createToken), need: send, status: http.StatusCreated,
				summary: "Create a short-lived token for a user"},
			{id: "revoke-tokens", action: "user.revoke_tokens", method: del, path: "/{id}/token", handler: typed(s.revokeTokens), need: send, status: http.StatusNoContent,
				summary: "Revoke all tokens of a user"},
		}},
		{tag: "Users", path: "/v1/users/{id}/preferences", read: readScope, write: send, user: true, routes: []route{
			{id: "get-preferences", handler: typed(s.getPreferences), summary: "Get a user's preferences"},
			{id: "put-preferences", action: "user.put_preferences", method: put, handler: typed(s.putPreferences),
				summary: "Set how a user wants categories on channels"},
		}},
		{tag: "Users", path: "/v1/users/{id}/schedule", read: readScope, write: send, user: true, routes: []route{
			{id: "get-schedule", handler: typed(s.getSchedule), summary: "Get a user's quiet hours and time of digests"},
			{id: "put-schedule", action: "user.put_schedule", method: put, handler: typed(s.putSchedule),
				summary: "Replace a user's quiet hours and time of digests", description: "What is left out is as the school has it."},
		}},
		{tag: "Users", path: "/v1/users/{id}/calendar", write: send, user: true, routes: []route{
			{id: "create-calendar", action: "user.create_calendar", method: post, handler: typed(s.createCalendar), status: http.StatusCreated,
				summary: "Create a user's calendar feed", description: "The answer has its secret URL. A user who has a feed keeps it, and the answer is 200."},
			{id: "revoke-calendar", action: "user.revoke_calendar", method: del, handler: typed(s.revokeCalendar), status: http.StatusNoContent,
				summary: "Revoke a user's calendar feed", description: "Its URL ends at once. A further feed has another one."},
		}},
		{tag: "Devices", path: "/v1/users/{id}/devices", read: readScope, write: send, user: true, routes: []route{
			{id: "list-devices", handler: typed(s.listDevices), summary: "List the browsers that receive a user's push messages"},
			{id: "add-device", action: "user.add_device", method: post, handler: typed(s.addDevice), status: http.StatusCreated,
				summary: "Register a browser for a user's push messages",
				description: "The body is the browser's PushSubscription as JSON, and a label if there is one. A browser that is registered already is updated, " +
					"and the answer is 200. A user has up to 10. The oldest gives way to a further one, and those that their push service no longer knows are removed."},
			{id: "remove-device", action: "user.remove_device", method: del, path: "/{device}", handler: typed(s.removeDevice), status: http.StatusNoContent,
				summary: "Remove a browser"},
		}},
		{tag: "Devices", path: "/v1/push", routes: []route{
			{id: "get-push", handler: typed(s.getPush), summary: "Get the public key with which browsers subscribe to push messages",
				description: "The key is empty if this server sends no push messages."},
		}},
		{tag: "Inbox", path: "/v1/users/{id}/inbox", read: readScope, write: send, user: true, routes: []route{
			{id: "list-inbox", handler: typed(s.listInbox), summary: "List a user's inbox, newest first"},
			{id: "stream-inbox", path: "/stream", handler: typed(s.streamInbox), produces: eventStream,
				summary: "Follow a user's inbox live",
				description: "Sends an event named item for each item that arrives. Its id is the item's position. " +
					"Items that came after Last-Event-ID are sent first."},
			{id: "read-inbox", action: "inbox.read_all", method: post, path: "/read-all", handler: typed(s.readInbox), summary: "Mark all of a user's inbox as read"},
			{id: "read-item", action: "inbox.read", method: post, path: "/{event}/read", handler: typed(s.readItem), summary: "Mark one item as read"},
			{id: "acknowledge-item", action: "inbox.acknowledge", method: post, path: "/{event}/acknowledge", handler: typed(s.acknowledgeItem),
				summary: "Acknowledge one item", description: "It is marked as read too."},
		}},
		{tag: "Categories", path: "/v1/categories", read: readScope, write: admin, routes: []route{
			{id: "list-categories", handler: typed(s.listCategories), summary: "List the kinds of events"},
			{id: "put-category", action: "category.put", method: put, path: "/{id}", handler: typed(s.putCategory), summary: "Create or replace a category"},
			{id: "get-category", path: "/{id}", handler: typed(s.getCategory), summary: "Get a category"},
			{id: "delete-category", action: "category.delete", method: http.MethodDelete, path: "/{id}", handler: typed(s.deleteCategory), status: http.StatusNoContent,
				summary: "Delete a category", description: "One that events use, or that is built in, cannot be deleted."},
		}},
		{tag: "Templates", path: "/v1/templates", read: readScope, write: admin, routes: []route{
			{id: "list-templates", handler: typed(s.listTemplates), summary: "List the templates of messages",
				description: "Standard templates have the version 0."},
			{id: "get-template", path: "/{category}/{channel}/{locale}", handler: typed(s.getTemplate), summary: "Get a template as it is used now"},
			{id: "put-template", action: "template.put", method: put, path: "/{category}/{channel}/{locale}", handler: typed(s.putTemplate),
				summary:     "Store a new version of a template",
				description: "It is used for events that start more than three seconds later. Names that there are not, tags that an email cannot have and values in unsafe places are rejected by field and line."},
			{id: "reset-template", action: "template.reset", method: del, path: "/{category}/{channel}/{locale}", handler: typed(s.resetTemplate), status: http.StatusNoContent,
				summary: "Go back to the standard template", description: "The versions stay in the list."},
			{id: "list-template-versions", path: "/{category}/{channel}/{locale}/versions", handler: typed(s.listTemplateVersions), summary: "List the versions of a template, newest first"},
			{id: "preview-template", method: post, reads: true, path: "/{category}/{channel}/{locale}/preview", handler: typed(s.previewTemplate), need: readScope,
				summary: "Show a template with an event and a user", description: "Nothing is stored or sent."},
		}},
		{tag: "Groups", path: "/v1/groups", read: readScope, write: admin, routes: []route{
			{id: "list-groups", handler: typed(s.listGroups), summary: "List groups by id"},
			{id: "put-group", action: "group.put", method: put, path: "/{id}", handler: typed(s.putGroup), summary: "Create or replace a group"},
			{id: "get-group", path: "/{id}", handler: typed(s.getGroup), summary: "Get a group"},
		}},
		{tag: "Settings", path: "/v1/settings", read: readScope, write: admin, routes: []route{
			{id: "get-settings", handler: typed(s.getSettings), summary: "Get the settings of the school"},
			{id: "put-settings", action: "settings.put", method: put, handler: typed(s.putSettings), summary: "Replace the settings of the school"},
		}},
		{tag: "Queues", path: "/v1/queues", read: readScope, write: admin, routes: []route{
			{id: "list-queues", handler: typed(s.listQueues), summary: "List the queues with their counts"},
			{id: "count-jobs", path: "/{queue}/counts", handler: typed(s.countJobs), summary: "Count a queue's jobs by state"},
			{id: "list-jobs", path: "/{queue}/jobs", handler: typed(s.listJobs),
				summary:     "List a queue's jobs of one state, newest first",
				description: "Pages go by position: a job that moves in between may be seen twice or not at all."},
			{id: "get-job", path: "/{queue}/jobs/{job}", handler: typed(s.getJob), summary: "Get a job with its state and log"},
			{id: "retry-job", action: "job.retry", method: post, path: "/{queue}/jobs/{job}/retry", handler: typed(s.retryJob),
				summary: "Retry a finished job", description: "Its attempts are counted from 0 again."},
			{id: "promote-job", action: "job.promote", method: post, path: "/{queue}/jobs/{job}/promote", handler: typed(s.promoteJob), summary: "Run a delayed job now"},
			{id: "remove-job", action: "job.remove", method: post, path: "/{queue}/jobs/{job}/remove", handler: typed(s.removeJob), status: http.StatusNoContent,
				summary: "Remove a job"},
			{id: "pause-queue", action: "queue.pause", method: post, path: "/{queue}/pause", handler: typed(s.pauseQueue), summary: "Stop workers from starting jobs"},
			{id: "resume-queue", action: "queue.resume", method: post, path: "/{queue}/resume", handler: typed(s.resumeQueue), summary: "Let workers start jobs again"},
			{id: "clean-queue", action: "queue.clean", method: post, path: "/{queue}/clean", handler: typed(s.cleanQueue), summary: "Remove old jobs of one state"},
		}},
		{tag: "Suppressions", path: "/v1/suppressions", read: admin, write: admin, routes: []route{
			{id: "list-suppressions", handler: typed(s.listSuppressions), summary: "List the addresses to which nothing is sent",
				description: "They bounced, their owners reported a message as unwanted or asked for no more messages, or staff suppressed them."},
			{id: "create-suppression", action: "suppression.create", method: post, handler: typed(s.createSuppression), status: http.StatusCreated,
				summary: "Send nothing more to an address", description: "It concerns every user who has the address on the channel."},
			{id: "delete-suppression", action: "suppression.delete", method: del, path: "/{id}", handler: typed(s.deleteSuppression), status: http.StatusNoContent,
				summary: "Send to an address again", description: "A provider may have a list of its own, which does not change."},
		}},
		{tag: "Channels", path: "/v1/channels", write: admin, routes: []route{
			{id: "test-channel", action: "channel.test", method: post, path: "/{channel}/test", handler: typed(s.testChannel), status: http.StatusCreated,
				summary: "Send one real message", description: "It is an event for one user. Its delivery shows what happens. An address to which nothing is sent is refused with 409."},
		}},
		{tag: "Receipts", path: receiptsPath, routes: []route{
			{id: "receive-ses", method: post, path: "/ses/{secret}", handler: received(receipt.SES), large: true, consumes: text,
				summary: "Take an event of Amazon SES, sent by SNS", description: receiptsDescription},
			{id: "receive-sendgrid", method: post, path: "/sendgrid/{secret}", handler: received(receipt.SendGrid), large: true, consumes: jsonType,
				summary: "Take events of SendGrid's signed event webhook", description: receiptsDescription},
			{id: "receive-twilio", method: post, path: "/twilio/{secret}", handler: received(receipt.Twilio), consumes: form,
				summary: "Take the status of a text message from Twilio", description: receiptsDescription},
			{id: "receive-twilio-inbound", method: post, path: "/twilio/{secret}/inbound", handler: received(receipt.TwilioInbound), consumes: form,
				produces: "text/xml", summary: "Take a text message that a recipient sent to Twilio", description: receiptsDescription},
			{id: "receive-mail", method: post, path: "/mail/{secret}", handler: received(receipt.Mail), large: true, consumes: "message/rfc822",
				summary: "Take an email that came back", description: mailReceiptsDescription},
		}},
		s.webhookRoutes(),
		{tag: "Audit", path: "/v1/audit", read: admin, routes: []route{
			{id: "list-audit", handler: typed(s.listAudit), summary: "List who changed what, newest first"},
		}},
		{tag: "Service", routes: []route{
			{id: "livez", path: "/livez", handler: typed(s.live), summary: "Check whether the process runs"},
			{id: "readyz", path: "/readyz", handler: typed(s.ready), summary: "Check whether everything the service needs is available"},
			{id: "metrics", path: "/metrics", handler: plain(s.metricsHandler()), produces: text, summary: "Prometheus metrics"},
			{id: "openapi", path: "/openapi.json", handler: plain(http.HandlerFunc(s.serveOpenAPI)), produces: openAPI, summary: "This document"},
		}},
	}
}
