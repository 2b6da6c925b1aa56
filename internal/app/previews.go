package app

import (
	"schoolbell/internal/preview"
	"schoolbell/internal/render"
)

// previews tells what events would do.
func (r *Runtime) previews(renderer *render.Renderer) *preview.Service {
	text := preview.SMS{MaxSegments: r.Config.SMS.MaxSegments}
	text.Price, text.Currency = r.Config.SMS.PriceOf()
	return preview.New(preview.Config{Pipeline: r.Pipeline, Stored: r.Ledger.Previews, Renderer: renderer, Link: r.messageLink, People: r.Ledger.People, School: r.Settings.Current, SMS: text, Households: r.Config.Queue.Households})
}
