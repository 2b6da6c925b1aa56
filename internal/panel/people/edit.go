package people

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"schoolbell"
	"schoolbell/internal/panel/site"
)

var personEditPage = parse("personedit.html")

// personEditView is the form with which the staff corrects how a person is reached.
type personEditView struct {
	ID, Name, Email, Phone string
	MoreEmails, MorePhones []string          // after the first
	Faults                 map[string]string // by field
}

func (p *Pages) editPerson(c *site.Call) error {
	u, err := p.cfg.People.User(c.Ctx(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	return p.writePersonEdit(c, http.StatusOK, personEditView{ID: u.ID, Name: u.Name, Email: u.Email, Phone: u.Phone,
		MoreEmails: moreOf(u, schoolbell.ChannelEmail, u.Email), MorePhones: moreOf(u, schoolbell.ChannelSMS, u.Phone)})
}

func (p *Pages) writePersonEdit(c *site.Call, status int, v personEditView) error {
	spec := site.Spec{Title: "Edit", Path: "people", Crumbs: []site.Crumb{{Name: "People", Path: "people"}, {Name: cmp.Or(v.Name, v.ID), Path: "people/" + url.PathEscape(v.ID)}}, Status: status}
	return p.site.Write(c, personEditPage, spec, v)
}

// moreOf are the addresses of a person on a channel after the first.
func moreOf(u *schoolbell.User, channel schoolbell.Channel, first string) (more []string) {
	for _, a := range u.Addresses {
		if a.Channel == channel && a.Address != first {
			more = append(more, a.Address)
		}
	}
	return more
}

// withMore are the addresses of a person with others after the first email address and phone number. Devices and addresses of
// other channels stay, and so do labels.
func withMore(u *schoolbell.User, emails, phones []string) (list []schoolbell.Address) {
	labels := map[schoolbell.Address]string{}
	for _, a := range u.Addresses {
		if a.Channel != schoolbell.ChannelEmail && a.Channel != schoolbell.ChannelSMS {
			list = append(list, a)
		}
		labels[schoolbell.Address{Channel: a.Channel, Address: a.Address}] = a.Label
	}
	add := func(channel schoolbell.Channel, addresses []string) {
		for _, text := range addresses {
			a := schoolbell.Address{Channel: channel, Address: text}
			a.Label = labels[a]
			list = append(list, a)
		}
	}
	add(schoolbell.ChannelEmail, emails)
	add(schoolbell.ChannelSMS, phones)
	return append([]schoolbell.Address{}, list...) // not nil, which would leave all as they are
}

// filledIn are the values of a field that are not empty.
func filledIn(values []string) (list []string) {
	for _, v := range values {
		if v = strings.TrimSpace(v); v != "" {
			list = append(list, v)
		}
	}
	return list
}

// personFaults says what is wrong with a person by field of the form.
func personFaults(err error, list []schoolbell.Address) map[string]string {
	faults := site.FaultsByField(err)
	for field, text := range faults {
		var i int
		if n, _ := fmt.Sscanf(field, "addresses[%d]", &i); n == 1 && i < len(list) {
			faults["more_"+string(list[i].Channel)] = list[i].Address + ": " + text
		}
	}
	return faults
}

// putPerson stores the name, the email addresses and the phone numbers of a person. Everything else stays as it is.
func (p *Pages) putPerson(c *site.Call) error {
	u, err := p.cfg.People.User(c.Ctx(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	v := personEditView{ID: u.ID, Name: strings.TrimSpace(c.Form.Get("name")), Email: strings.TrimSpace(c.Form.Get("email")), Phone: strings.TrimSpace(c.Form.Get("phone"))}
	v.MoreEmails, v.MorePhones = filledIn(c.Form["more_email"]), filledIn(c.Form["more_sms"])
	list := withMore(u, v.MoreEmails, v.MorePhones)
	u.Name, u.Email, u.Phone, u.Addresses = v.Name, v.Email, v.Phone, list
	_, err = p.cfg.People.Put(c.Ctx(), u)
	if schoolbell.CodeOf(err) == schoolbell.CodeInvalid {
		v.Faults = personFaults(err, list)
		return p.writePersonEdit(c, http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return err
	}
	return c.Redirect("people/" + url.PathEscape(u.ID) + "?done=saved")
}
