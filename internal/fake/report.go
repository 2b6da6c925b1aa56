package fake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Report is what a fake tells about a message that it has accepted.
type Report string

// The reports.
const (
	ReportAccepted   Report = "accepted"
	ReportDelivered  Report = "delivered"
	ReportBounced    Report = "bounced"    // there is no such recipient
	ReportFull       Report = "full"       // the mailbox is full, or the telephone is off
	ReportComplained Report = "complained" // email only
	ReportForged     Report = "forged"     // that it was delivered, signed by somebody else
)

// Plan tells which reports follow a message to a recipient, in their order. It is called by several goroutines at once.
type Plan func(to string) []Report

// plans are those of [PlanByRecipient], by word.
var plans = map[string][]Report{
	"bounce":   {ReportAccepted, ReportBounced},
	"full":     {ReportAccepted, ReportFull},
	"complain": {ReportAccepted, ReportDelivered, ReportComplained},
	"twice":    {ReportAccepted, ReportAccepted, ReportDelivered, ReportDelivered},
	"reorder":  {ReportDelivered, ReportAccepted},
	"forge":    {ReportForged},
	"silent":   {},
}

// PlanWords lists the words that [PlanByRecipient] knows.
func PlanWords() []string {
	words := make([]string, 0, len(plans))
	for word := range plans {
		words = append(words, word)
	}
	slices.Sort(words)
	return words
}

// PlanByRecipient does what a word of the recipient says: the email to bounce.ada@example.org bounces. Messages to
// everybody else are delivered.
func PlanByRecipient(to string) []Report {
	name, _, _ := strings.Cut(to, "@")
	for word := range strings.SplitSeq(name, ".") {
		if plan, ok := plans[word]; ok {
			return plan
		}
	}
	return []Report{ReportAccepted, ReportDelivered}
}

// NoReports is the plan of a provider that reports nothing of its own accord.
func NoReports(string) []Report { return nil }

// Reports say where and when a fake reports what happens to messages.
type Reports struct {
	URL   string        // none if empty; Twilio is told by each message
	Plan  Plan          // PlanByRecipient
	Delay time.Duration // before each report
}

const reportTimeout = 15 * time.Second // as Twilio and SNS have it

// follow makes the reports of a plan in the background.
func (s *Server) follow(r Reports, to string, report func(context.Context, Report) error) {
	plan := r.Plan
	if plan == nil {
		plan = PlanByRecipient
	}
	reports := plan(to)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(reports) == 0 {
		return
	}
	s.work.Go(func() {
		for _, kind := range reports {
			select {
			case <-time.After(r.Delay):
			case <-s.stopping.Done():
				return
			}
			err := report(s.stopping, kind)
			s.say("reported to %s: %s, %s", to, kind, outcome(err)) // providers give up too
		}
	})
}

func outcome(err error) string {
	if err != nil {
		return err.Error()
	}
	return "taken"
}

// inOrder makes reports one after the other, and returns what went wrong.
func inOrder(reports []Report, report func(context.Context, Report) error) error {
	ctx := context.Background()
	var errs []error
	for _, kind := range reports {
		if err := report(ctx, kind); err != nil {
			errs = append(errs, fmt.Errorf("report %s: %w", kind, err))
		}
	}
	return errors.Join(errs...)
}

// RefusedError is the error of a report that was answered with another status than 2xx.
type RefusedError struct{ Status int }

func (e *RefusedError) Error() string { return fmt.Sprintf("refused with status %d", e.Status) }

// post makes a request of a provider. Its errors are of the kind *RefusedError if there was an answer.
func (s *Server) post(ctx context.Context, url, contentType, body string, header map[string]string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("report to %s: %w", url, err)
	}
	req.Header.Set("Content-Type", contentType)
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("report to %s: %w", url, err)
	}
	_, err = io.Copy(io.Discard, res.Body)
	err = cmp.Or(err, res.Body.Close())
	if res.StatusCode/100 != 2 {
		return &RefusedError{res.StatusCode}
	}
	return err
}
