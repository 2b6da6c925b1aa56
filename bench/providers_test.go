package bench

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"schoolbell/internal/fake"
	"schoolbell/internal/testenv"
)

// providerRate is the quota at which providers are measured a second time, in emails per second.
const providerRate = 500

// emailProvider is a fake of a provider with an HTTP API, and how it is used.
type emailProvider interface {
	URL() string
	Run(ctx context.Context) error
	Close() error
	Total() (messages, tokens int)
}

// providers start the fakes. With rate 0 they accept all that comes.
var providers = []struct {
	name  string
	start func(rate float64) (f emailProvider, env []string, err error)
}{
	{"Amazon SES", func(rate float64) (emailProvider, []string, error) {
		f, err := fake.NewSES(fake.SESOptions{Rate: cmp.Or(rate, 1_000_000)})
		if err != nil {
			return nil, nil, err
		}
		return f, []string{"EMAIL_PROVIDER=ses", "EMAIL_FROM=office@hill.example", "SES_ENDPOINT=" + f.URL(), "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=AKIAFAKE", "AWS_SECRET_ACCESS_KEY=fake-secret"}, nil
	}},
	{"SendGrid", func(rate float64) (emailProvider, []string, error) { // which does not tell its quota
		f, err := fake.NewSendGrid(fake.SendGridOptions{})
		if err != nil {
			return nil, nil, err
		}
		return f, []string{"EMAIL_PROVIDER=sendgrid", "EMAIL_FROM=office@hill.example", "SENDGRID_URL=" + f.URL(), "SENDGRID_API_KEY=SG.fake", fmt.Sprintf("EMAIL_RATE=%.0f", rate)}, nil
	}},
}

// measureProviders sends one event to everybody by each provider, as fast as its fake accepts emails and at a quota.
func measureProviders(b *testing.B, srv *servers, out *report) {
	n := sizeUpTo(b, pairFrom)
	for _, p := range providers {
		for _, rate := range []float64{0, providerRate} {
			what := fmt.Sprintf("%s people by %s", count(n), p.name)
			if rate > 0 {
				what += fmt.Sprintf(" at %.0f emails/s", rate)
			}
			var rates, micros []float64
			for round := range *rounds {
				fmt.Fprintf(os.Stderr, "%s, round %d of %d\n", what, round+1, *rounds)
				r := reachByProvider(b, srv, n, func() (emailProvider, []string, error) { return p.start(rate) })
				rates, micros = append(rates, r.rate()), append(micros, r.perPerson(r.cost.counted()))
			}
			out.add(line{measure: what + ": people/s", ours: median(rates), limit: rate})
			if rate == 0 {
				out.add(line{measure: what + ": CPU of serve, workers and PostgreSQL, µs/person", digits: 1, ours: median(micros)})
			}
		}
	}
}

// reachByProvider sends one event to everybody. The fake runs in this process, so its processor time is not counted.
func reachByProvider(b testing.TB, srv *servers, people int, start func() (emailProvider, []string, error)) run {
	b.Helper()
	f, env, err := start()
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- f.Run(context.Background()) }()
	defer func() {
		_ = f.Close()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}()
	s := startSchoolbell(b, srv, setup{people: people, workers: 1, sink: testenv.SMTPSink(b), env: env}) // the sink gets nothing
	defer s.stop()
	before, after := costsOf(b, s, srv), srv.lastEntry(b)
	began := time.Now()
	r := run{people: people, post: s.post(b, audience{})}
	testenv.Eventually(b, patience, func() bool { messages, _ := f.Total(); return messages >= people }, "the provider has all emails")
	r.took = time.Since(began)
	srv.finished(b, after)
	r.cost = costsOf(b, s, srv).minus(before)
	if messages, tokens := f.Total(); messages != people || tokens != people {
		b.Errorf("%d people got %d emails, %d different ones", people, messages, tokens)
	}
	return r
}

func TestProviders(t *testing.T) {
	t.Parallel()
	srv := startServers(t)
	for _, p := range providers {
		if r := reachByProvider(t, srv, 100, func() (emailProvider, []string, error) { return p.start(0) }); r.rate() <= 0 {
			t.Errorf("%s: %+v", p.name, r)
		}
	}
}
