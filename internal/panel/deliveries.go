package panel

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/panel/cause"
	"schoolbell/internal/panel/site"
)

// deliveryFilters are what the list of an event's deliveries can be narrowed to.
type deliveryFilters struct {
	Channels, Statuses []site.Option
	Person, Cause      string
	CauseText          string // in words; empty for none
	AnyURL             string // of the list without the cause
}

// deliveryQuery says which deliveries of an event a page lists.
type deliveryQuery struct {
	schoolbell.DeliveryFilter
	cause string // of failures; empty for all deliveries
	after string // where the page before ended
}

func readDeliveryQuery(q url.Values) deliveryQuery {
	return deliveryQuery{cause: q.Get("cause"), after: q.Get("after"), DeliveryFilter: schoolbell.DeliveryFilter{
		Status: schoolbell.DeliveryStatus(q.Get("status")), Channel: schoolbell.Channel(q.Get("channel")), Person: strings.TrimSpace(q.Get("person"))}}
}

func newDeliveryFilters(v eventView, f deliveryQuery) (filters deliveryFilters) {
	filters.Person, filters.Cause = f.Person, f.cause
	for _, c := range cause.All {
		if c.ID == f.cause {
			filters.CauseText = c.Text
		}
	}
	filters.AnyURL = f.withoutCause().url(v.ID, "")
	seen := map[schoolbell.Channel]bool{}
	for _, c := range v.People.channels {
		if !seen[c] {
			seen[c] = true
			filters.Channels = append(filters.Channels, site.Option{Value: string(c), Name: site.ChannelName(c), Current: c == f.Channel})
		}
	}
	for _, st := range schoolbell.DeliveryStatuses() {
		filters.Statuses = append(filters.Statuses, site.Option{Value: string(st), Name: site.StatusWord(string(st)), Current: st == f.Status})
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
	ID, Person, Wave, Channel, Status, Why string // ID is empty if the person was erased, or is not to be seen
	Since                                  site.Moment
}

const deliveriesAtOnce = 50

func (s *Server) deliveries(c *site.Call, id string, q deliveryQuery) (p deliveryPage, err error) {
	at, err := parseCursor(q.after)
	if err != nil {
		return p, err
	}
	found, next, err := s.cfg.Store.Deliveries(c.Ctx(), id, q.DeliveryFilter, at, deliveriesAtOnce)
	if err != nil {
		return p, err
	}
	if p.Rows, err = s.deliveryRows(c, found); err != nil {
		return p, err
	}
	progress, err := s.cfg.Store.Progress(c.Ctx(), id)
	if err != nil {
		return p, err
	}
	p.channels = sortedChannels(progress.Channels)
	if q.after != "" {
		p.First = q.url(id, "")
	}
	if len(found) == deliveriesAtOnce {
		p.Next = q.url(id, formatCursor(next))
	}
	return p, nil
}

func (s *Server) deliveryRows(c *site.Call, found []schoolbell.Delivery) ([]deliveryRow, error) {
	ids := make([]string, len(found))
	for i, d := range found {
		ids[i] = d.UserID
	}
	names, err := s.cfg.Directory.Names(c.Ctx(), ids)
	if err != nil {
		return nil, err
	}
	seen, err := s.site.Within(c, ids) // somebody may have left the groups since
	if err != nil {
		return nil, err
	}
	rows := make([]deliveryRow, len(found))
	for i, d := range found {
		rows[i] = s.deliveryRow(d, names)
		if !seen[d.UserID] {
			rows[i].ID = ""
		}
	}
	return rows, nil
}

func (s *Server) deliveryRow(d schoolbell.Delivery, names map[string]string) deliveryRow {
	name, there := names[d.UserID]
	r := deliveryRow{Person: cmp.Or(name, d.UserID), Wave: site.WaveWord(d.Wave), Channel: site.ChannelName(d.Channel), Status: site.DeliveryStatus(d), Why: site.ReasonWords(d.Reason), Since: s.site.When(d.UpdatedAt)}
	if there {
		r.ID = d.UserID
	}
	return r
}

// withoutCause is the same for all deliveries.
func (q deliveryQuery) withoutCause() deliveryQuery {
	q.cause = ""
	return q
}

// url is the list after a place, relative to the page of the event.
func (q deliveryQuery) url(id, after string) string {
	values := url.Values{}
	for name, value := range map[string]string{"status": string(q.Status), "channel": string(q.Channel), "person": q.Person, "cause": q.cause, "after": after} {
		if value != "" {
			values.Set(name, value)
		}
	}
	return url.PathEscape(id) + "?" + values.Encode() + "#people"
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
func (s *Server) exportDeliveries(c *site.Call) error {
	id := c.R.PathValue("id")
	ev, err := s.cfg.Store.Event(c.Ctx(), id)
	if err != nil {
		return err
	}
	c.W.Header().Set("Content-Type", "text/csv; charset=utf-8")
	c.W.Header().Set("Content-Disposition", `attachment; filename="deliveries-`+ev.ID+`.csv"`)
	head := []string{"person", "wave", "channel", "status", "outcome", "attempts", "reason", "updated_at"}
	if err := writeCSV(c, [][]string{head}); err != nil {
		return nil // the client has gone
	}
	for at := (ledger.DeliveryCursor{}); ; {
		found, next, err := s.cfg.Store.Deliveries(c.Ctx(), id, schoolbell.DeliveryFilter{}, at, exportRows)
		if err != nil {
			s.site.Log.WarnContext(c.Ctx(), "an export of deliveries was cut off", "event", id, "error", err)
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
func writeCSV(c *site.Call, rows [][]string) error {
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
	_, err := c.W.Write(b.Bytes())
	return err
}

// inert puts an apostrophe before a cell that a spreadsheet would calculate.
func inert(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
