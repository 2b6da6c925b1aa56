package mail

import (
	"bytes"
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"schoolbell"
	"schoolbell/internal/embedded"
	"schoolbell/internal/panel/live"
	"schoolbell/internal/panel/site"
)

var mailPage = parse("mail.html")

const (
	keptMail    = 200       // more than the catcher keeps are not asked for
	mailAtOnce  = 50        // in the list
	shownSource = 256 << 10 // bytes
)

// mailView is the list of caught mail, and one mail.
type mailView struct {
	mailList
	Mail *mailShown
}

// mailList is a page of the list.
type mailList struct {
	Title         string
	Query         string
	Rows          []mailRow
	Newest, Older string // URLs; empty for none
	Kept          bool   // there are more than are kept
	Live          bool
}

// mailRow is a mail in the list.
type mailRow struct {
	ID, Subject, To string
	At              site.Moment
	Current         bool
}

// mailShown is one mail in one of the ways to show it.
type mailShown struct {
	ID, Subject, From, To, EventID string
	At                             site.Moment
	Tabs                           []site.Option
	As                             string // the tab
	Text                           string // for all tabs but HTML
	Cut                            bool
}

// caught returns the mail catcher; CodeNotFound if a mail server takes the email.
func (p *Pages) caught() (Catcher, error) {
	if p.cfg.Catcher == nil {
		return nil, schoolbell.NotFound("page", "mail")
	}
	return p.cfg.Catcher, nil
}

func (p *Pages) listMail(c *site.Call) error {
	mail, err := p.caught()
	if err != nil {
		return err
	}
	return p.writeMail(c, mailView{mailList: p.mailList(mail, c.R.URL.Query(), "")})
}

func (p *Pages) writeMail(c *site.Call, v mailView) error {
	c.W.Header().Set("Content-Security-Policy", site.FramePolicy)
	spec := site.Spec{Title: "Caught mail", Path: "mail"}
	if v.Live = v.Newest == "" && v.Query == "" && v.Mail == nil; v.Live {
		spec.Live = "mail/live"
	}
	return p.site.Write(c, mailPage, spec, v)
}

// streamMail sends the first page of the list when it has changed.
func (p *Pages) streamMail(c *site.Call) error {
	mail, err := p.caught()
	if err != nil {
		return err
	}
	return p.site.Follow(c, "mail", func(context.Context) (live.Parts, bool, error) {
		made, err := site.RenderParts(mailPage, site.Page{Root: "./", View: p.mailList(mail, nil, "")}, "mails")
		return made, false, err
	})
}

// mailList is the page of the list that a query asks for. The mail with the id current is on the page beside it.
func (p *Pages) mailList(mail Catcher, query url.Values, current string) mailList {
	accepted := mail.Accepted()
	v := mailList{Title: site.Count(accepted, "email", "emails"), Query: strings.TrimSpace(query.Get("q"))}
	all := mail.Messages(keptMail)
	v.Kept = accepted > len(all)
	before, err := strconv.Atoi(query.Get("before"))
	if err != nil {
		before = accepted + 1
	} else {
		v.Newest = mailURL(v.Query, "")
	}
	for _, m := range all {
		id, _ := strconv.Atoi(m.ID)
		if id >= before || !mailMatches(m, v.Query) {
			continue
		}
		if len(v.Rows) == mailAtOnce {
			v.Older = mailURL(v.Query, v.Rows[mailAtOnce-1].ID)
			break
		}
		v.Rows = append(v.Rows, mailRow{m.ID, cmp.Or(m.Subject, "Without a subject"), strings.Join(m.To, ", "), p.site.Clock(m.At), m.ID == current})
	}
	return v
}

func mailURL(query, before string) string {
	q := url.Values{}
	if query != "" {
		q.Set("q", query)
	}
	if before != "" {
		q.Set("before", before)
	}
	return "mail?" + q.Encode()
}

// mailMatches reports whether a text is in the subject or an address.
func mailMatches(m embedded.CaughtMail, text string) bool {
	return strings.Contains(strings.ToLower(m.Subject+"\n"+strings.Join(m.To, "\n")), strings.ToLower(text))
}

// showMail shows one mail beside the list.
func (p *Pages) showMail(c *site.Call) error {
	mail, err := p.caught()
	if err != nil {
		return err
	}
	m, there := mail.Message(c.R.PathValue("id"))
	if !there {
		return schoolbell.NotFound("mail", c.R.PathValue("id"))
	}
	shown := p.mailShown(m, c.R.URL.Query().Get("as"))
	return p.writeMail(c, mailView{mailList: p.mailList(mail, c.R.URL.Query(), m.ID), Mail: &shown})
}

func (p *Pages) mailShown(m embedded.CaughtMail, as string) mailShown {
	text, html, err := m.Parts()
	header, _, _ := bytes.Cut(bytes.ReplaceAll(m.Raw, []byte("\r\n"), []byte("\n")), []byte("\n\n"))
	v := mailShown{ID: m.ID, Subject: cmp.Or(m.Subject, "Without a subject"), From: m.From, To: strings.Join(m.To, ", "), At: p.site.When(m.At), EventID: eventOfMail(m), As: as}
	if html == "" && as == "" {
		v.As = "text"
	}
	switch v.As {
	case "text":
		if v.Text = text; err != nil {
			v.Text += "\n\n" + site.Sentence("the rest cannot be read: "+err.Error())
		}
	case "headers":
		v.Text = string(header)
	case "source":
		v.Cut = len(m.Raw) > shownSource
		v.Text = strings.ToValidUTF8(string(m.Raw[:min(len(m.Raw), shownSource)]), "\ufffd")
	default:
		v.As = "html"
	}
	for _, tab := range []site.Option{{Value: "html", Name: "HTML", Current: html != ""}, {Value: "text", Name: "Text", Current: true}, {Value: "headers", Name: "Headers", Current: true}, {Value: "source", Name: "Source", Current: true}} {
		if tab.Current { // there is such a part
			v.Tabs = append(v.Tabs, site.Option{Value: tab.Value, Name: tab.Name, Current: tab.Value == v.As})
		}
	}
	return v
}

// eventOfMail is the event that a mail belongs to, empty if its Message-ID is not one of Schoolbell's.
func eventOfMail(m embedded.CaughtMail) string {
	local, _, _ := strings.Cut(strings.Trim(m.MessageID, "<>"), "@")
	key, err := schoolbell.ParseMessageKey(local)
	if err != nil {
		return ""
	}
	return key.EventID
}

// showMailHTML answers with the HTML of a mail, for the frame of its page. Nothing in it can reach the panel.
func (p *Pages) showMailHTML(c *site.Call) error {
	mail, err := p.caught()
	if err != nil {
		return err
	}
	m, there := mail.Message(c.R.PathValue("id"))
	if !there {
		return schoolbell.NotFound("mail", c.R.PathValue("id"))
	}
	_, html, err := m.Parts()
	if err != nil && html == "" {
		return schoolbell.NotFound("mail", m.ID)
	}
	c.W.Header().Set("Content-Security-Policy", site.MailPolicy)
	c.W.Header().Set("X-Frame-Options", "SAMEORIGIN")
	c.W.Header().Set("Content-Type", "text/html; charset=utf-8")
	c.W.WriteHeader(http.StatusOK)
	_, _ = c.W.Write([]byte(html)) // the client may have gone
	return nil
}
