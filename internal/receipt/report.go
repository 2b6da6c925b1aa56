package receipt

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"io"
	"strings"

	"github.com/emersion/go-message"

	"schoolbell"
)

// Limits on an email that tells about another one, so that a hostile one costs little.
const (
	maxReport       = 1 << 20   // bytes
	maxReportHeader = 128 << 10 // bytes of each header
	maxReportParts  = 10
	maxReportPart   = 64 << 10 // bytes of a part that are read
	maxRecipients   = 20       // recipients in a delivery status notification
)

// report is what an email tells about another one.
type report struct {
	senders    []string // addresses, one of which may be the envelope sender of the email that it is about
	date       string
	digest     string
	recipients []fields // of a delivery status notification
	feedback   fields   // of a feedback report; nil for none
	original   fields   // header of the email that it is about, if that is attached
}

// fields are the first values of the fields of a header, by their names in lower case.
type fields map[string]string

// readReport reads an email. One that is no report has no recipients and no feedback.
func readReport(body []byte) (*report, error) {
	if len(body) > maxReport {
		return nil, unreadable("an email of this size")
	}
	e, err := message.ReadWithOptions(bytes.NewReader(body), &message.ReadOptions{MaxHeaderBytes: maxReportHeader})
	if e == nil || err != nil && !isForeign(err) {
		return nil, unreadable("the email")
	}
	r := &report{date: e.Header.Get("Date"), digest: digestOf(e.Header.Get("Message-ID"), body)}
	for _, name := range []string{"Delivered-To", "X-Original-To", "Envelope-To", "To"} {
		for values := e.Header.FieldsByKey(name); values.Next() && len(r.senders) < maxRecipients; {
			r.senders = append(r.senders, values.Value())
		}
	}
	kind, _, err := e.Header.ContentType()
	if parts := e.MultipartReader(); err == nil && kind == "multipart/report" && parts != nil {
		r.readParts(parts)
	}
	r.senders = append(r.senders, r.feedback["original-mail-from"], r.original["return-path"])
	return r, nil
}

// isForeign tells errors after which an email can still be read: its text has an unknown character set or encoding.
func isForeign(err error) bool {
	return message.IsUnknownCharset(err) || message.IsUnknownEncoding(err)
}

// readParts reads the parts until one is damaged: what came before it counts.
func (r *report) readParts(parts message.MultipartReader) {
	for range maxReportParts {
		p, err := parts.NextPart()
		if p == nil || err != nil && !isForeign(err) {
			return
		}
		kind, _, _ := p.Header.ContentType()
		text, err := io.ReadAll(io.LimitReader(p.Body, maxReportPart))
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return
		}
		switch kind {
		case "message/delivery-status", "message/global-delivery-status":
			for _, f := range readFields(text, 1+maxRecipients) {
				if f["action"] != "" { // the others are about the email as a whole
					r.recipients = append(r.recipients, f)
				}
			}
		case "message/feedback-report":
			r.feedback = firstOf(readFields(text, 1))
		case "message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers":
			r.original = firstOf(readFields(text, 1))
		}
	}
}

func firstOf(blocks []fields) fields {
	if len(blocks) == 0 {
		return nil
	}
	return blocks[0]
}

// readFields reads blocks of fields, which empty lines separate. Lines that are no fields are left out.
func readFields(text []byte, most int) (blocks []fields) {
	block, last := fields{}, ""
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxReportPart+1)
	for lines.Scan() && len(blocks) < most {
		line := lines.Text()
		if strings.TrimSpace(line) == "" {
			if len(block) > 0 {
				blocks, block, last = append(blocks, block), fields{}, ""
			}
			continue
		}
		if line[0] == ' ' || line[0] == '\t' {
			if last != "" {
				block[last] += " " + strings.TrimSpace(line)
			}
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		last = ""
		if name = strings.ToLower(strings.TrimSpace(name)); ok && block[name] == "" {
			block[name], last = strings.TrimSpace(value), name
		}
	}
	if len(block) > 0 && len(blocks) < most {
		blocks = append(blocks, block)
	}
	return blocks
}

// kind returns what a report says, empty for nothing about the email. Of several recipients, the one that fares worst
// counts: an email goes to one address, and the others are where that address forwards to.
func (r *report) kind() schoolbell.ReceiptKind {
	if r.feedback != nil {
		return feedbackKind(r.feedback["feedback-type"])
	}
	worst := schoolbell.ReceiptKind("")
	for _, f := range r.recipients {
		if k := statusKind(f); weight[k] > weight[worst] {
			worst = k
		}
	}
	return worst
}

// weight orders the kinds of notifications from the best to the worst.
var weight = map[schoolbell.ReceiptKind]int{
	schoolbell.ReceiptAccepted: 1, schoolbell.ReceiptDelivered: 2, schoolbell.ReceiptFailed: 3, schoolbell.ReceiptSoftBounced: 4, schoolbell.ReceiptBounced: 5,
}

// feedbackKind returns what a feedback report of a type is (RFC 5965 §7.3).
func feedbackKind(kind string) schoolbell.ReceiptKind {
	switch strings.ToLower(kind) {
	case "abuse", "fraud", "virus", "other":
		return schoolbell.ReceiptComplained
	case "opt-out", "opt-out-list":
		return schoolbell.ReceiptStopped
	}
	return "" // such as not-spam, by which a recipient says that it is wanted
}

// address returns the address that the email went to. The header of the email itself says it best: where an address
// forwards to another one, notifications name that.
func (r *report) address() string {
	to := r.original["to"]
	for _, f := range append([]fields{r.feedback}, r.recipients...) {
		to = cmp.Or(to, typed(f["original-rcpt-to"]), typed(f["original-recipient"]), typed(f["final-recipient"]))
	}
	return bare(to)
}

// typed returns the address in a value such as rfc822;ada@example.org.
func typed(value string) string {
	if _, address, ok := strings.Cut(value, ";"); ok {
		value = address
	}
	return strings.TrimSpace(value)
}

// words returns what a report says in words, for people.
func (r *report) words() []string {
	if r.feedback != nil {
		return []string{"feedback report:", r.feedback["feedback-type"]}
	}
	for _, f := range r.recipients {
		if statusKind(f) == r.kind() {
			return []string{f["status"], typed(f["diagnostic-code"])}
		}
	}
	return nil
}
