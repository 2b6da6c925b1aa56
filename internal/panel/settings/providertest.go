package settings

import (
	"context"
	"strings"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/panel/live"
	"schoolbell/internal/panel/site"
)

var providerTestPage = parse("settings.html", "providertest.html")

// providerTestView is what has become of a test message.
type providerTestView struct {
	EventID, Channel string
	Status, Says     string
	Provider         string // its own words
	ProviderID       string
	Attempts         int
	Since            site.Moment
	Done             bool // nothing more will be known
}

func (p *Pages) showProviderTest(c *site.Call) error {
	v, err := p.providerTest(c.Ctx(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	spec := site.Spec{Title: "Test message", Path: "settings", Crumbs: []site.Crumb{toSettings, {Name: "Providers", Path: "settings/providers"}}}
	if !v.Done {
		spec.Live = v.EventID + "/live"
	}
	return p.site.Write(c, providerTestPage, spec, settingsView{settingsSections, "settings/providers", v})
}

// streamProviderTest sends what has become of a test message when it has changed.
func (p *Pages) streamProviderTest(c *site.Call) error {
	id, root := c.R.PathValue("id"), strings.TrimSuffix(c.Root(), "../")
	return p.site.Follow(c, "test/"+id, func(ctx context.Context) (live.Parts, bool, error) {
		v, err := p.providerTest(ctx, id)
		if err != nil {
			return nil, false, err
		}
		made, err := site.RenderParts(providerTestPage, site.Page{Root: root, View: settingsView{Part: v}}, "outcome")
		return made, v.Done, err
	})
}

// providerTest reads the only delivery of a test message.
func (p *Pages) providerTest(ctx context.Context, id string) (v providerTestView, err error) {
	ev, err := p.cfg.Messages.Event(ctx, id)
	if err != nil {
		return v, err
	}
	v = providerTestView{EventID: ev.ID, Status: string(schoolbell.DeliveryPending), Says: "The message waits for a worker.", Since: p.site.Clock(ev.CreatedAt)}
	found, _, err := p.cfg.Messages.Deliveries(ctx, id, schoolbell.DeliveryFilter{}, ledger.DeliveryCursor{}, 1)
	if err != nil || len(found) == 0 {
		return v, err
	}
	d := found[0]
	v.Channel, v.Status, v.Provider, v.ProviderID, v.Attempts, v.Since = site.ChannelName(d.Channel), site.DeliveryStatus(d), site.ReasonWords(d.Reason), d.ProviderID, d.Attempts, p.site.Clock(d.UpdatedAt)
	v.Says, v.Done = messageWords(d, p.cfg.Providers.Reported[d.Channel])
	return v, nil
}

// messageWords says what is known of a test message, and whether more may come. Reported says that the provider sends receipts.
func messageWords(d schoolbell.Delivery, reported bool) (says string, done bool) {
	switch {
	case d.Outcome == schoolbell.OutcomeBounced:
		return "The message came back.", true
	case d.Outcome == schoolbell.OutcomeComplained:
		return "The recipient has reported the message as unwanted.", true
	case d.Outcome != "":
		return "The message has arrived.", true
	case d.Status == schoolbell.DeliverySent && reported:
		return "The provider has taken the message. Its receipt, which tells whether the message arrives, is awaited.", false
	case d.Status == schoolbell.DeliverySent:
		return "The provider has taken the message. It does not tell whether messages arrive.", true
	case d.Status == schoolbell.DeliveryFailed:
		return "The message was not sent.", true
	case d.Status == schoolbell.DeliverySuppressed:
		return "Nothing was sent to this person.", true
	case d.Status.Terminal():
		return "The message has ended as " + string(d.Status) + ".", true
	case d.Reason != "":
		return "The message could not be sent yet. It is tried again.", false
	}
	return "The message is being sent.", false
}
