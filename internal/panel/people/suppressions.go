package people

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/panel/site"
)

var suppressionsPage = parse("suppressions.html")

// suppressionsView is the list of addresses to which nothing is sent, and the form of one more.
type suppressionsView struct {
	site.Faults
	Rows            []suppressionRow
	First, Next     string // URLs; empty for none
	Channels        []site.Option
	Address, Reason string
}

// suppressionRow is an address of a person to which nothing is sent.
type suppressionRow struct {
	Key, Address, Icon, Channel string
	Person, Name                string
	State, Reason               string
	Since, Until                site.Moment
}

var suppressionFields = site.Fields{{Field: "channel", Label: "Channel"}, {Field: "address", Label: "Address"}, {Field: "reason", Label: "Reason"}}

// maxReason is how many bytes the reason of a suppression may have.
const maxReason = 300

func (p *Pages) listSuppressions(c *site.Call) error {
	return p.writeSuppressions(c, http.StatusOK, schoolbell.ChannelEmail, suppressionsView{})
}

// writeSuppressions shows the list with the form as it was filled in.
func (p *Pages) writeSuppressions(c *site.Call, status int, current schoolbell.Channel, v suppressionsView) error {
	after, err := parsePlace(c.R.URL.Query().Get("after"))
	if err != nil {
		return err
	}
	list, last, err := p.cfg.Suppressions.Suppressions(c.Ctx(), after, site.PageRows)
	if err != nil {
		return err
	}
	if after != (ledger.SuppressionCursor{}) {
		v.First = "suppressions"
	}
	if len(list) == site.PageRows {
		v.Next = "suppressions?after=" + formatPlace(last)
	}
	if v.Rows, err = p.suppressionRows(c, list); err != nil {
		return err
	}
	for _, ch := range p.suppressible() {
		v.Channels = append(v.Channels, site.Option{Value: string(ch), Name: site.ChannelName(ch), Current: ch == current})
	}
	return p.site.Write(c, suppressionsPage, site.Spec{Title: "Suppressions", Path: "people", Crumbs: []site.Crumb{{Name: "People", Path: "people"}}, Status: status}, v)
}

// suppressible are the channels whose addresses people can write.
func (p *Pages) suppressible() (channels []schoolbell.Channel) {
	for _, ch := range p.cfg.Channels {
		if ch != schoolbell.ChannelInApp && ch != schoolbell.ChannelPush {
			channels = append(channels, ch)
		}
	}
	return channels
}

func (p *Pages) suppressionRows(c *site.Call, list []schoolbell.Suppression) (rows []suppressionRow, err error) {
	ids := make([]string, len(list))
	for i, x := range list {
		ids[i] = x.UserID
	}
	names, err := p.cfg.Directory.Names(c.Ctx(), ids)
	if err != nil {
		return nil, err
	}
	for _, x := range list {
		row := suppressionRow{Key: x.Key.String(), Address: x.Address, Icon: site.ChannelIcon(x.Key.Channel), Channel: site.ChannelName(x.Key.Channel), Person: x.UserID, Name: cmp.Or(names[x.UserID], x.UserID),
			State: site.StatusWord(string(x.State)), Reason: x.Reason, Since: p.site.When(x.Since), Until: p.site.When(x.Until)}
		if x.Key.Channel == schoolbell.ChannelPush {
			row.Address = "a device" // its endpoint is a secret
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// addSuppression stops an address of everybody who has it.
func (p *Pages) addSuppression(c *site.Call) error {
	channel := schoolbell.Channel(c.Form.Get("channel"))
	v := suppressionsView{Address: strings.TrimSpace(c.Form.Get("address")), Reason: strings.TrimSpace(c.Form.Get("reason"))}
	var faults schoolbell.Faults
	if !slices.Contains(p.suppressible(), channel) {
		faults.Add("channel", "must be a channel with addresses")
	} else if err := schoolbell.ValidateAddress(channel, v.Address); err != nil {
		faults.Add("address", "%v", err)
	}
	if v.Reason != "" && schoolbell.CheckLine("reason", v.Reason, maxReason) != nil {
		faults.Add("reason", "must be one line of at most %d characters", maxReason)
	}
	err := faults.Err()
	var list []schoolbell.Suppression
	if err == nil {
		list, err = p.cfg.Suppressions.Suppress(c.Ctx(), channel, v.Address, v.Reason)
	}
	if schoolbell.CodeOf(err) == schoolbell.CodeNotFound {
		err = schoolbell.Invalid("address", "nobody has this address")
	}
	if schoolbell.CodeOf(err) == schoolbell.CodeInvalid {
		v.Faults = suppressionFields.Faults(err)
		return p.writeSuppressions(c, http.StatusUnprocessableEntity, channel, v)
	}
	if err != nil {
		return err
	}
	ledger.ChangeOf(c.Ctx()).Set("channel", string(channel))
	ledger.ChangeOf(c.Ctx()).Set("users", len(list))
	return c.Redirect("suppressions?done=suppressed")
}

// suppression finds the one with a key. Those of a user follow each other in the list.
func (p *Pages) suppression(c *site.Call, key schoolbell.SuppressionKey) (schoolbell.Suppression, error) {
	list, _, err := p.cfg.Suppressions.Suppressions(c.Ctx(), ledger.SuppressionCursor{User: key.User}, schoolbell.MaxAddresses+schoolbell.MaxDevices)
	if err != nil {
		return schoolbell.Suppression{}, err
	}
	for _, x := range list {
		if x.Key == key {
			return x, nil
		}
	}
	return schoolbell.Suppression{}, schoolbell.NotFound("suppression", key.String())
}

// suppressedBecause says what to consider before messages are sent to an address again.
var suppressedBecause = map[schoolbell.AddressState]string{
	schoolbell.AddressBounced:    "Messages to it came back. If it is still wrong, they come back again, and providers may then trust the school less.",
	schoolbell.AddressComplained: "Its owner reported a message as unwanted. Do this only if the person has asked for messages again.",
	schoolbell.AddressStopped:    "Its owner asked for no more messages, or the staff stopped it. Do this only if the person has asked for messages again.",
	schoolbell.AddressSuspended:  "It did not take messages for a while, and is used again without doing anything.",
}

// askRemoveSuppression asks before messages are sent to an address again.
func (p *Pages) askRemoveSuppression(c *site.Call) error {
	key, err := schoolbell.ParseSuppressionKey(c.R.PathValue("id"))
	if err != nil {
		return err
	}
	x, err := p.suppression(c, key)
	if err != nil {
		return err
	}
	rows, err := p.suppressionRows(c, []schoolbell.Suppression{x})
	if err != nil {
		return err
	}
	row := rows[0]
	return p.site.Confirm(c, "people", []site.Crumb{{Name: "People", Path: "people"}, {Name: "Suppressions", Path: "suppressions"}}, site.Confirmation{
		Title: "Send again", Question: "Send messages to this address again?", About: row.Address, Says: []string{suppressedBecause[x.State]},
		Facts: []site.Fact{{Name: "Person", Text: row.Name}, {Name: "Channel", Text: row.Channel}, {Name: "Why", Text: row.State}, {Name: "Reason", Text: row.Reason},
			{Name: "Since", When: row.Since}, {Name: "Until", When: row.Until}},
		Keep: "Leave it", Back: "suppressions", Do: "Send again",
	})
}

func (p *Pages) removeSuppression(c *site.Call) error {
	key, err := schoolbell.ParseSuppressionKey(c.R.PathValue("id"))
	if err != nil {
		return err
	}
	if err := p.cfg.Suppressions.RemoveSuppression(c.Ctx(), key); err != nil {
		return err
	}
	return c.Redirect("suppressions?done=unsuppressed")
}

// formatPlace writes a place in the list of suppressions.
func formatPlace(p ledger.SuppressionCursor) string {
	return url.QueryEscape(fmt.Sprintf("%d.%d.%d", p.User, p.Channel, p.Position))
}

// parsePlace reads what formatPlace wrote, and no other notation.
func parsePlace(text string) (p ledger.SuppressionCursor, err error) {
	if text == "" {
		return p, nil
	}
	_, err = fmt.Sscanf(text, "%d.%d.%d", &p.User, &p.Channel, &p.Position)
	if err != nil || formatPlace(p) != text || p.User < 0 || p.Channel < 0 || p.Position < 0 || p.Channel > maxPlace || p.Position > maxPlace {
		return ledger.SuppressionCursor{}, schoolbell.NotFound("page", text)
	}
	return p, nil
}

// maxPlace bounds the numbers of channels and positions, which are small in every engine.
const maxPlace = 1<<15 - 1
