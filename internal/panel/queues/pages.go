// Package queues is the pages of the panel about queues and their jobs.
package queues

import (
	"context"
	"embed"
	"html/template"
	"net/http"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/panel/flow"
	"schoolbell/internal/panel/site"
)

//go:embed templates/*.html
var files embed.FS

var parse = site.Parser(files, template.FuncMap{"node": func(n *flow.Node, root string) flowPart { return flowPart{n, root} }})

// flowPart is a job of a flow on a page with a root.
type flowPart struct {
	Node *flow.Node
	Root string
}

// Config is what the pages need.
type Config struct {
	Queues Source
}

// Source are the BullMQ queues of the installation.
type Source interface {
	// All returns the queues with the installation's prefix in Redis, Schoolbell's own first.
	All(ctx context.Context) ([]*bullmq.Queue, error)

	// Own reports whether a queue is Schoolbell's own.
	Own(name string) bool
}

// Pages are the pages of queues.
type Pages struct {
	site *site.Site
	cfg  Config
}

// New returns the pages. All fields of cfg are required.
func New(s *site.Site, cfg Config) *Pages { return &Pages{s, cfg} }

// Group lists the pages.
func (p *Pages) Group() site.Group {
	return site.Group{Routes: []site.Route{
		{Method: http.MethodGet, Path: "queues", Need: schoolbell.ScopeAdmin, Serve: p.listQueues},
		{Method: http.MethodGet, Path: "queues/live", Need: schoolbell.ScopeAdmin, Serve: p.streamQueues},
		{Method: http.MethodGet, Path: "queues/{queue}", Need: schoolbell.ScopeAdmin, Serve: p.showQueue},
		{Method: http.MethodPost, Path: "queues/{queue}/pause", Need: schoolbell.ScopeAdmin, Action: "queue.pause", Serve: p.pauseQueue},
		{Method: http.MethodPost, Path: "queues/{queue}/resume", Need: schoolbell.ScopeAdmin, Action: "queue.resume", Serve: p.resumeQueue},
		{Method: http.MethodGet, Path: "queues/{queue}/remove", Need: schoolbell.ScopeAdmin, Serve: p.askRemoveJobs},
		{Method: http.MethodPost, Path: "queues/{queue}/remove", Need: schoolbell.ScopeAdmin, Action: "queue.clean", Serve: p.removeJobs},
		{Method: http.MethodGet, Path: "queues/{queue}/matching/retry", Need: schoolbell.ScopeAdmin, Serve: p.askRetryMatching},
		{Method: http.MethodPost, Path: "queues/{queue}/matching/retry", Need: schoolbell.ScopeAdmin, Action: "queue.retry", Serve: p.retryMatching},
		{Method: http.MethodGet, Path: "queues/{queue}/matching/remove", Need: schoolbell.ScopeAdmin, Serve: p.askRemoveMatching},
		{Method: http.MethodPost, Path: "queues/{queue}/matching/remove", Need: schoolbell.ScopeAdmin, Action: "queue.remove", Serve: p.removeMatching},
		{Method: http.MethodGet, Path: "queues/{queue}/schedulers/remove", Need: schoolbell.ScopeAdmin, Serve: p.askRemoveScheduler},
		{Method: http.MethodPost, Path: "queues/{queue}/schedulers/remove", Need: schoolbell.ScopeAdmin, Action: "scheduler.remove", Serve: p.removeScheduler},
		{Method: http.MethodGet, Path: "queues/{queue}/jobs/{job}", Need: schoolbell.ScopeAdmin, Serve: p.showJob},
		{Method: http.MethodPost, Path: "queues/{queue}/jobs/{job}/retry", Need: schoolbell.ScopeAdmin, Action: "job.retry", Serve: p.retryJob},
		{Method: http.MethodPost, Path: "queues/{queue}/jobs/{job}/promote", Need: schoolbell.ScopeAdmin, Action: "job.promote", Serve: p.promoteJob},
		{Method: http.MethodGet, Path: "queues/{queue}/jobs/{job}/remove", Need: schoolbell.ScopeAdmin, Serve: p.askRemoveJob},
		{Method: http.MethodPost, Path: "queues/{queue}/jobs/{job}/remove", Need: schoolbell.ScopeAdmin, Action: "job.remove", Serve: p.removeJob},
	}, Notices: map[string]string{
		"jobs-retried": "The jobs wait to run again. Those that have changed meanwhile were left as they are.",
		"jobs-removed": "The jobs are removed. Those that have changed meanwhile were left as they are.",
	}}
}
