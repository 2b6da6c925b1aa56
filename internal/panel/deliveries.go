package panel

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// deliveryFilters are what the list of an event's deliveries can be narrowed to.
type deliveryFilters struct{ Channels, Statuses []option }

// option is a choice of a form.
type option struct {
	Value, Name string
	Current     bool
}

func newDeliveryFilters(v eventView, f schoolbell.DeliveryFilter) (filters deliveryFilters) {
	seen := map[schoolbell.Channel]bool{}
	for _, c := range v.People.channels {
		if !seen[c] {
			seen[c] = true
			filters.Channels = append(filters.Channels, option{string(c), channelName(c), c == f.Channel})
		}
	}
	for _, st := range schoolbell.DeliveryStatuses() {
		filters.Statuses = append(filters.Statuses, option{string(st), statusWord(string(st)), st == f.Status})
	}
	return filters
}

// deliveryPage is a page of the deliveries of an event.
type deliveryPage struct {
	Rows        []deliveryRow
	First, Next string // URLs; empty for none
	channels    []schoolbell.Channel
}

// deliveryRow is the status of the message to somebody on a channel.
type deliveryRow struct {
	ID, Person, Wave, Channel, Status, Why string // ID is empty if the person was erased
	Since                                  moment
}

const deliveriesAtOnce = 50

func (s *Server) deliveries(ctx context.Context, id string, f schoolbell.DeliveryFilter, after string) (p deliveryPage, err error) {
	at, err := parseCursor(after)
	if err != nil {
		return p, err
	}
	found, next, err := s.cfg.Store.Deliveries(ctx, id, f, at, deliveriesAtOnce)
	if err != nil {
		return p, err
	}
	if p.Rows, err = s.deliveryRows(ctx, found); err != nil {
		return p, err
	}
	progress, err := s.cfg.Store.Progress(ctx, id)
	if err != nil {
		return p, err
	}
	p.channels = sortedChannels(progress.Channels)
	if after != "" {
		p.First = deliveriesURL(id, f, "")
	}
	if len(found) == deliveriesAtOnce {
		p.Next = deliveriesURL(id, f, formatCursor(next))
	}
	return p, nil
}

func (s *Server) deliveryRows(ctx context.Context, found []schoolbell.Delivery) ([]deliveryRow, error) {
	ids := make([]string, len(found))
	for i, d := range found {
		ids[i] = d.UserID
	}
	names, err := s.cfg.Directory.Names(ctx, ids)
	if err != nil {
		return nil, err
	}
	rows := make([]deliveryRow, len(found))
	for i, d := range found {
		rows[i] = s.deliveryRow(d, names)
	}
	return rows, nil
}

func (s *Server) deliveryRow(d schoolbell.Delivery, names map[string]string) deliveryRow {
	name, there := names[d.UserID]
	r := deliveryRow{Person: firstOf(name, d.UserID), Channel: channelName(d.Channel), Status: shownStatus(d), Why: reasonWords(d.Reason), Since: s.when(d.UpdatedAt)}
	if there {
		r.ID = d.UserID
	}
	if d.Wave > 0 {
		r.Wave = "wave " + strconv.Itoa(d.Wave)
	}
	return r
}

// shownStatus is the strongest that is known of a delivery.
func shownStatus(d schoolbell.Delivery) string {
	switch d.Outcome {
	case "":
		return string(d.Status)
	case schoolbell.OutcomeBounced, schoolbell.OutcomeComplained:
		return string(schoolbell.DeliveryFailed)
	}
	return string(d.Outcome)
}

// reasonWords are the reasons that the program gives, in words. Others are a provider's own.
func reasonWords(reason string) string {
	switch reason {
	case schoolbell.ReasonNoAddress:
		return "no address"
	case schoolbell.ReasonOptedOut:
		return "opted out"
	case schoolbell.ReasonInDigest:
		return "comes with the next digest"
	case schoolbell.ReasonSameAddress:
		return "same address as somebody else"
	case schoolbell.ReasonEmptyDigest:
		return "nothing was left to tell"
	case schoolbell.ReasonAwaitingReceipt:
		return "waits for a receipt"
	case schoolbell.ReasonQuietHours:
		return "waits for the end of quiet hours"
	}
	return reason
}

func deliveriesURL(id string, f schoolbell.DeliveryFilter, after string) string {
	q := url.Values{}
	for name, value := range map[string]string{"status": string(f.Status), "channel": string(f.Channel), "after": after} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return url.PathEscape(id) + "?" + q.Encode() + "#people"
}

// formatCursor writes where a page ends: wave, channel and number of the last row.
func formatCursor(c ledger.DeliveryCursor) string {
	return fmt.Sprintf("%d.%s.%d", c.Wave, c.Channel, c.Seq)
}

func parseCursor(text string) (c ledger.DeliveryCursor, err error) {
	if text == "" {
		return c, nil
	}
	fields := strings.Split(text, ".")
	if len(fields) != 3 {
		return c, schoolbell.NotFound("page", text)
	}
	wave, errWave := strconv.Atoi(fields[0])
	seq, errSeq := strconv.ParseInt(fields[2], 10, 64)
	c = ledger.DeliveryCursor{Wave: wave, Channel: schoolbell.Channel(fields[1]), Seq: seq}
	if errWave != nil || errSeq != nil || wave < 0 || wave > schoolbell.MaxWaves || seq < 0 || !c.Channel.Valid() {
		return ledger.DeliveryCursor{}, schoolbell.NotFound("page", text)
	}
	return c, nil
}

const exportRows = 1000 // that are read at once

// exportDeliveries answers with all deliveries of an event as CSV.
func (s *Server) exportDeliveries(c *call) error {
	id := c.r.PathValue("id")
	ev, err := s.cfg.Store.Event(c.ctx(), id)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	c.w.Header().Set("Content-Disposition", `attachment; filename="deliveries-`+ev.ID+`.csv"`)
	head := []string{"person", "wave", "channel", "status", "outcome", "attempts", "reason", "updated_at"}
	if err := writeCSV(c, [][]string{head}); err != nil {
		return nil // the client has gone
	}
	for at := (ledger.DeliveryCursor{}); ; {
		found, next, err := s.cfg.Store.Deliveries(c.ctx(), id, schoolbell.DeliveryFilter{}, at, exportRows)
		if err != nil {
			s.log.WarnContext(c.ctx(), "an export of deliveries was cut off", "event", id, "error", err)
			panic(http.ErrAbortHandler) // a file that ends early must not look whole
		}
		rows := make([][]string, 0, len(found))
		for _, d := range found {
			rows = append(rows, []string{d.UserID, strconv.Itoa(d.Wave), string(d.Channel), string(d.Status), string(d.Outcome), strconv.Itoa(d.Attempts),
				d.Reason, d.UpdatedAt.UTC().Format("2006-01-02T15:04:05Z")})
		}
		if err := writeCSV(c, rows); err != nil || len(found) < exportRows {
			return nil
		}
		at = next
	}
}

// writeCSV writes rows of which no spreadsheet takes a cell for a formula.
func writeCSV(c *call, rows [][]string) error {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	for _, row := range rows {
		safe := make([]string, len(row))
		for i, cell := range row {
			safe[i] = inert(cell)
		}
		if err := w.Write(safe); err != nil {
			return err
		}
	}
	w.Flush()
	_, err := c.w.Write(b.Bytes())
	return err
}

// inert puts an apostrophe before a cell that a spreadsheet would calculate.
func inert(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
