package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/wire"
)

const (
	exportPage   = 500 // rows that are read at a time
	exportEvents = 500 // whose deliveries are read at a time
)

// exportUser answers with everything that is stored about a user, as one JSON document that
// is written while it is read. The audit has the export before the first byte leaves.
func (s *Server) exportUser(ctx context.Context, in *UserPath) (*huma.StreamResponse, error) {
	person, err := s.cfg.Exports.Person(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	wishes, err := s.cfg.People.Preferences(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	schedule, err := s.getSchedule(ctx, &UserAccess{UserPath: *in})
	if err != nil {
		return nil, err
	}
	feed, err := s.cfg.Calendars.Feed(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	ledger.ChangeOf(ctx).Done()
	if err := s.storeChange(ctx); err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		rc := http.NewResponseController(w)
		if err := rc.SetReadDeadline(time.Time{}); err != nil { // which would end the request
			s.log.WarnContext(r.Context(), "export cannot set deadlines", requestAttrs(r.Context(), err)...)
		}
		e := &export{s: s, out: w, rc: rc, person: person, wishes: wishes, schedule: schedule.Body, calendar: feed.ID != 0}
		if err := e.write(r.Context()); err != nil {
			s.log.WarnContext(r.Context(), "an export was not completed", requestAttrs(r.Context(), err)...)
			panic(http.ErrAbortHandler) // so that nobody takes it for complete
		}
	}}, nil
}

// export is one document on its way.
type export struct {
	s      *Server
	out    io.Writer
	rc     *http.ResponseController
	person ledger.PersonRecord
	wishes []schoolbell.Preference

	schedule wire.Schedule
	calendar bool // whether there is a feed
}

// write writes the document in the order of the fields of wire.UserExport.
func (e *export) write(ctx context.Context) error {
	guardians, wishes := e.person.Guardians, e.wishes
	if guardians == nil {
		guardians = []string{}
	}
	if wishes == nil {
		wishes = []schoolbell.Preference{}
	}
	for i, f := range []struct {
		name  string
		value any
	}{
		{"exported_at", wire.At(e.s.cfg.Clock())}, {"user", e.person.User}, {"created_at", wire.At(e.person.CreatedAt)},
		{"updated_at", wire.At(e.person.UpdatedAt)}, {"guardians", guardians}, {"preferences", wishes}, {"schedule", e.schedule},
		{"calendar_feed", e.calendar},
	} {
		before := ","
		if i == 0 {
			before = "{"
		}
		if err := e.put(before+`"`+f.name+`":`, f.value); err != nil {
			return err
		}
	}
	for _, list := range []struct {
		name string
		rows func(ctx context.Context, put func(v any) error) error
	}{
		{"inbox", e.inbox}, {"deliveries", e.deliveries}, {"personal", e.personal}, {"receipts", e.receipts}, {"audit", e.audit},
	} {
		if err := e.list(ctx, list.name, list.rows); err != nil {
			return fmt.Errorf("%s: %w", list.name, err)
		}
	}
	return e.text("}\n")
}

// list writes an array.
func (e *export) list(ctx context.Context, name string, rows func(ctx context.Context, put func(v any) error) error) error {
	if err := e.text(`,"` + name + `":[`); err != nil {
		return err
	}
	before := ""
	err := rows(ctx, func(v any) error {
		err := e.put(before, v)
		before = ","
		return err
	})
	if err != nil {
		return err
	}
	return e.text("]")
}

func (e *export) put(before string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return e.text(before + string(text))
}

// text writes a part. A client that takes none for a while ends the export.
func (e *export) text(part string) error {
	if err := e.rc.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil {
		return err
	}
	_, err := io.WriteString(e.out, part)
	return err
}

func (e *export) inbox(ctx context.Context, put func(v any) error) error {
	for before := int64(0); ; {
		items, _, err := e.s.cfg.Inbox.List(ctx, e.person.ID, before, exportPage)
		if err != nil {
			return err
		}
		for _, it := range items {
			if err := put(wire.InboxItemOf(it)); err != nil {
				return err
			}
			before = it.Position
		}
		if len(items) < exportPage {
			return nil
		}
	}
}

func (e *export) deliveries(ctx context.Context, put func(v any) error) error {
	for after := int64(0); ; {
		found, last, err := e.s.cfg.Exports.DeliveriesTo(ctx, e.person.Number, after, exportEvents)
		if err != nil || last == 0 {
			return err
		}
		for _, d := range found {
			if err := put(wire.DeliveryOf(d)); err != nil {
				return err
			}
		}
		after = last
	}
}

func (e *export) personal(ctx context.Context, put func(v any) error) error {
	for after := int64(0); ; {
		found, last, err := e.s.cfg.Exports.PersonalOf(ctx, e.person.Number, after, exportPage)
		if err != nil || last == 0 {
			return err
		}
		for _, r := range found {
			if err := put(wire.PersonalRecord(r)); err != nil {
				return err
			}
		}
		after = last
	}
}

func (e *export) receipts(ctx context.Context, put func(v any) error) error {
	for after := (ledger.ReceiptCursor{}); ; {
		found, err := e.s.cfg.Exports.ReceiptsOf(ctx, e.person.Number, after, exportPage)
		if err != nil {
			return err
		}
		for _, r := range found {
			if err := put(wire.ReceiptOf(r)); err != nil {
				return err
			}
			after = ledger.ReceiptCursor{Provider: r.Provider, ID: r.ID}
		}
		if len(found) < exportPage {
			return nil
		}
	}
}

// audit writes what the user changed, and what was changed about the user or their inbox.
func (e *export) audit(ctx context.Context, put func(v any) error) error {
	self := schoolbell.Actor{Kind: schoolbell.ActorUser, ID: e.person.ID}
	for _, f := range []schoolbell.AuditFilter{
		{Actor: self}, {Target: schoolbell.Target{Kind: "user", ID: e.person.ID}}, {Target: schoolbell.Target{Kind: "inbox", ID: e.person.ID}},
	} {
		for before := ""; ; {
			found, err := e.s.cfg.Store.AuditEntries(ctx, f, before, exportPage)
			if err != nil {
				return err
			}
			for _, entry := range found {
				before = entry.ID
				if f.Actor.Kind == "" && entry.Actor.Kind == self.Kind && entry.Actor.ID == self.ID {
					continue // it was among the first ones
				}
				if err := put(wire.AuditEntryOf(entry)); err != nil {
					return err
				}
			}
			if len(found) < exportPage {
				break
			}
		}
	}
	return nil
}
