package settings

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/internal/auth"
	"schoolbell/internal/ledger"
	"schoolbell/internal/panel/site"
	"schoolbell/internal/testmessage"
)

var providersPage = parse("settings.html", "providers.html")

// Provider is what people may know of a provider.
type Provider struct {
	Channel  schoolbell.Channel
	Provider string
	From     string
	Limits   []string
	Fallback bool // it sends while the first provider of the channel takes nothing
}

// Finding is what a check has found.
type Finding struct {
	Name   string // of the channel, or of the record in DNS
	Detail string
	Fix    string // what to do about it; empty if nothing is wrong

	Broken  bool // nothing can be sent
	Unknown bool // nothing was looked up
}

// Providers are those of the installation. The functions may be nil.
type Providers struct {
	List     []Provider
	Reported map[schoolbell.Channel]bool // channels whose provider tells whether messages arrive

	Check  func(ctx context.Context) []Finding                          // of the channels
	Sender func(ctx context.Context) (domain string, records []Finding) // of the domain of the From address; empty for none
}

// Tests sends test messages.
type Tests interface {
	Send(ctx context.Context, t testmessage.Test) (testmessage.Sent, error)
}

// providersView is what is known of the providers.
type providersView struct {
	site.Faults
	Rows    []providerRow
	Domain  string // whose records were looked up
	Records []Finding
	Checked bool
	Tests   []testForm
}

// providerRow is a provider in the list.
type providerRow struct {
	Channel, Name, Icon, Detail string
	Status, Word, Note          string
	Lately                      string  // what was sent in the last hour
	Found                       Finding // by the check of its channel
}

// testForm is the form of a test message on a channel.
type testForm struct {
	Channel, Name, Field, To, Hint string
	At                             site.FieldFault
}

func (p *Pages) showProviders(c *site.Call) error {
	return p.writeProviders(c, http.StatusOK, c.R.URL.Query().Has("check"), "", "", nil)
}

// writeProviders shows the providers. The form of a channel has what was typed, and what is wrong with it.
func (p *Pages) writeProviders(c *site.Call, status int, check bool, channel, to string, fault error) error {
	lately, err := p.lately(c.Ctx())
	if err != nil {
		return err
	}
	v := providersView{Rows: p.providerRows(c.Ctx(), lately), Checked: check}
	var fields site.Fields
	tested := map[schoolbell.Channel]bool{}
	for _, x := range p.cfg.Providers.List {
		if tested[x.Channel] {
			continue
		}
		tested[x.Channel] = true
		form := newTestForm(x.Channel, c.Account.Email)
		fields = append(fields, site.FieldFault{Field: form.Field, Label: form.Name})
		if form.Channel == channel {
			form.To = to
		}
		v.Tests = append(v.Tests, form)
	}
	if fault != nil {
		v.Faults = fields.Faults(schoolbell.Invalid("to_"+channel, "%s", site.MessageOf(fault)))
		for i := range v.Tests {
			v.Tests[i].At = v.At(v.Tests[i].Field)
		}
	}
	if check {
		p.checkProviders(c.Ctx(), &v)
	}
	return p.writeSettings(c, providersPage, "settings/providers", status, v)
}

func newTestForm(channel schoolbell.Channel, own string) testForm {
	f := testForm{Channel: string(channel), Name: site.ChannelName(channel), Field: "to_" + string(channel), Hint: "The id of a person with a device."}
	switch channel {
	case schoolbell.ChannelEmail:
		f.To, f.Hint = own, "An email address, or the id of a person."
	case schoolbell.ChannelSMS:
		f.Hint = "A phone number such as +447700900142, or the id of a person."
	}
	return f
}

// lately counts the messages of the last hour by channel.
func (p *Pages) lately(ctx context.Context) (map[schoolbell.Channel]ledger.ChannelTraffic, error) {
	steps, err := p.cfg.Traffic.Traffic(ctx, time.Now().Add(-time.Hour), time.Hour)
	if err != nil {
		return nil, err
	}
	sums := map[schoolbell.Channel]ledger.ChannelTraffic{}
	for _, step := range steps {
		sum := sums[step.Channel]
		sums[step.Channel] = ledger.ChannelTraffic{Channel: step.Channel, Sent: sum.Sent + step.Sent, Failed: sum.Failed + step.Failed}
	}
	return sums, nil
}

// providerRows are the providers with their state: as this process knows it if it sends messages itself, else as the
// messages of the last hour show it.
func (p *Pages) providerRows(ctx context.Context, lately map[schoolbell.Channel]ledger.ChannelTraffic) (rows []providerRow) {
	known := map[string]site.Dependency{}
	for _, d := range p.cfg.Health(ctx).Dependencies {
		shown := site.DependencyOf(d)
		if shown.Detail = d.Detail; d.Status != "ok" && shown.Detail == "" {
			shown.Detail = "it does not answer"
		}
		known[d.Name] = shown
	}
	for _, x := range p.cfg.Providers.List {
		row := providerRow{Channel: string(x.Channel), Name: site.ChannelName(x.Channel) + ": " + x.Provider, Icon: site.ChannelIcon(x.Channel)}
		details := x.Limits
		if x.From != "" {
			details = append([]string{"from " + x.From}, details...)
		}
		row.Detail = site.Sentence(strings.Join(details, ", "))
		state, known := known[string(x.Channel)]
		switch {
		case x.Fallback:
			row.Status, row.Word = "paused", "Stands by"
			row.Detail += " It sends while the first provider takes no email."
		case known:
			row.Status, row.Word, row.Note = state.Status, state.Word, state.Detail
			row.Lately = latelyWords(lately[x.Channel])
		default:
			row.Status, row.Word = stateLately(lately[x.Channel])
			row.Lately = latelyWords(lately[x.Channel])
		}
		rows = append(rows, row)
	}
	return rows
}

// stateLately is the state of a provider as the messages of the last hour show it.
func stateLately(t ledger.ChannelTraffic) (status, word string) {
	switch {
	case t.Sent > 0:
		return "up", "Works"
	case t.Failed > 0:
		return "down", "Only failures"
	}
	return "waiting", "Not used lately"
}

func latelyWords(t ledger.ChannelTraffic) string {
	if t.Sent+t.Failed == 0 {
		return "Nothing was sent in the last hour."
	}
	return fmt.Sprintf("In the last hour: %s sent, %s failed.", site.Number(t.Sent), site.Number(t.Failed))
}

// checkProviders asks the providers and DNS.
func (p *Pages) checkProviders(ctx context.Context, v *providersView) {
	if check := p.cfg.Providers.Check; check != nil {
		for _, f := range check(ctx) {
			for i := range v.Rows {
				if v.Rows[i].Channel == f.Name && v.Rows[i].Status != "paused" {
					v.Rows[i].Found = f
				}
			}
		}
	}
	if sender := p.cfg.Providers.Sender; sender != nil {
		v.Domain, v.Records = sender(ctx)
		for i := range v.Records {
			v.Records[i].Detail = site.Sentence(v.Records[i].Detail)
		}
	}
}

// sendTest sends a test message to what the form of a channel names: an address, or the id of a person.
func (p *Pages) sendTest(c *site.Call) error {
	channel, to := schoolbell.Channel(c.R.PathValue("channel")), strings.TrimSpace(c.Form.Get("to_"+c.R.PathValue("channel")))
	test := testmessage.Test{Channel: channel, By: auth.PrincipalOf(c.Ctx()).Actor()}
	if channel == schoolbell.ChannelEmail && strings.Contains(to, "@") || channel == schoolbell.ChannelSMS && strings.HasPrefix(to, "+") {
		test.Address = to
	} else {
		test.UserID = to
	}
	sent, err := p.cfg.Tests.Send(c.Ctx(), test)
	switch code := schoolbell.CodeOf(err); {
	case to == "":
		err = schoolbell.Invalid("to", "say where the test goes")
	case code == schoolbell.CodeNotFound:
		err = schoolbell.Invalid("to", "nobody has this id, and it is no address of this channel")
	case err != nil && code != schoolbell.CodeInvalid && code != schoolbell.CodeConflict:
		return err
	}
	if err != nil {
		return p.writeProviders(c, http.StatusUnprocessableEntity, false, string(channel), to, err)
	}
	return c.Redirect("settings/providers/tests/" + sent.EventID)
}
