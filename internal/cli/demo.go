package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"schoolbell"
	"schoolbell/internal/app"
	"schoolbell/internal/auth"
	"schoolbell/internal/config"
)

const maxDemoUsers = 1_000_000

type demoCmd struct {
	Users    int      `name:"users" default:"10000" placeholder:"N" help:"Number of people."`
	Channels []string `name:"channels" default:"in_app,email,sms,push" placeholder:"CHANNEL,..." help:"Channels to use: in_app, email, sms, push."`
	JSON     bool     `name:"json" help:"Print the results as one line of JSON."`
	Keep     bool     `name:"keep" help:"Keep the server running afterwards, with more events, and print a link to its panel."`
}

// facts are what the demo measured and counted.
type facts struct {
	Users           int     `json:"users"`
	CreateMS        float64 `json:"create_ms"`         // the HTTP request that created the event
	InApp           int     `json:"in_app"`            // inbox rows in the ledger
	EmailsAccepted  int     `json:"emails_accepted"`   // emails the catcher took
	EmailsDistinct  int     `json:"emails_distinct"`   // of these, different Message-IDs
	Duplicates      int     `json:"duplicates"`        // emails, inbox rows, text messages and push messages beyond the first of a person
	Missing         int     `json:"missing"`           // people without their email, inbox row, text message or push message
	Seconds         float64 `json:"seconds"`           // from the request until the event was completed
	SMS             int     `json:"sms"`               // text messages that a fake of Twilio accepted
	Push            int     `json:"push"`              // messages that a fake push service accepted
	EmailsPerSecond float64 `json:"emails_per_second"` // accepted ones over these seconds
	MaxRSSMB        float64 `json:"max_rss_mb"`        // largest resident memory of this process, all services in it
}

// Run makes a school in a temporary folder, sends one event to all of it and
// counts what arrived at the mail catcher and in the ledger.
func (c *demoCmd) Run(ctx context.Context, a *program) error {
	channels, err := c.check()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "schoolbell-demo-")
	if err != nil {
		return fmt.Errorf("make a temporary folder: %w", err)
	}
	d := &demo{app: a, users: c.Users, channels: channels, quiet: c.JSON, keep: c.Keep}
	f, err := d.run(ctx, dir)
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		return err
	}
	if !c.Keep {
		if err := d.printFacts(f); err != nil {
			return err
		}
	}
	if f.Missing > 0 || f.Duplicates > 0 {
		return quietError{}
	}
	return nil
}

// printFacts prints the results in the form that was asked for.
func (d *demo) printFacts(f facts) error {
	if d.quiet {
		return d.app.printJSON(f)
	}
	d.print(f)
	return nil
}

func (c *demoCmd) check() ([]schoolbell.Channel, error) {
	if c.Users < 1 || c.Users > maxDemoUsers {
		return nil, usage("--users must be between 1 and %s", number(maxDemoUsers))
	}
	var channels []schoolbell.Channel
	for _, name := range c.Channels {
		ch := schoolbell.Channel(name)
		if !slices.Contains(schoolbell.Channels(), ch) {
			return nil, usage("--channels: %q is not in_app, email, sms or push", name)
		}
		if !slices.Contains(channels, ch) {
			channels = append(channels, ch)
		}
	}
	if !slices.ContainsFunc(channels, func(c schoolbell.Channel) bool { return !byPhone(c) }) {
		return nil, usage("--channels must name at least one of in_app, email")
	}
	return channels, nil
}

// demo is one demonstration.
type demo struct {
	app      *program
	users    int
	channels []schoolbell.Channel
	quiet    bool
	keep     bool
	phones   *phones // nil if neither sms nor push is used

	runtime *app.Runtime
	url     string
	key     string
}

// run puts the whole system together on its defaults in dir, uses it, and stops it.
func (d *demo) run(ctx context.Context, dir string) (f facts, err error) {
	env := []string{"DATA_DIR=" + dir, "HTTP_ADDR=127.0.0.1:0", "LOG_LEVEL=warn", "SCHOOL_NAME=Hill School", "API_RATE_PER_KEY=0", "API_RATE_PER_ADDRESS=0"}
	var fakes []app.Service
	if slices.ContainsFunc(d.channels, byPhone) {
		if d.phones, err = newPhones(); err != nil {
			return f, err
		}
		defer func() { err = errors.Join(err, d.phones.twilio.Close(), d.phones.push.Close()) }()
		settings, err := d.phones.settings()
		if err != nil {
			return f, err
		}
		env, fakes = append(env, settings...), []app.Service{d.phones.twilio.Run, d.phones.push.Run}
	}
	cfg := &config.Config{}
	if _, err := config.Load(cfg, config.Sources{Env: env}); err != nil {
		return f, err
	}
	r := app.New(cfg, newLogger(d.app.Err, cfg.General))
	d.app.limitMemory(r.Log)
	d.runtime = r
	defer func() { err = errors.Join(err, r.Close()) }()
	ln, err := app.Listen(ctx, "HTTP_ADDR", cfg.HTTP.Addr)
	if err != nil {
		return f, err
	}
	defer ln.Close()
	d.url = cfg.HTTP.LocalURL(ln.Addr().String())
	cfg.HTTP.PublicURL = d.url
	if err := r.Open(ctx); err != nil {
		return f, err
	}
	keys := auth.New(r.Ledger.Auth, auth.Options{})
	if d.key, err = keys.FirstStart(ctx, func(string) error { return nil }); err != nil { // an empty ledger has no key yet
		return f, err
	}
	services, err := r.Serve(ctx, ln, keys, d.app.version())
	if err != nil {
		return f, err
	}
	done := errors.New("the demo is over")
	err = r.Run(ctx, append(append(services, fakes...), func(ctx context.Context) error {
		var err error
		if f, err = d.show(ctx); err != nil {
			return err
		}
		if d.keep {
			if err := d.printFacts(f); err != nil {
				return err
			}
			if err := d.keepRunning(ctx); err != nil {
				return err
			}
		}
		return done // ends the other services
	})...)
	if errors.Is(err, done) {
		err = nil
	}
	return f, err
}

// show makes the people, creates the event, waits for its end and counts.
func (d *demo) show(ctx context.Context) (f facts, err error) {
	began := time.Now()
	if err := d.makeSchool(ctx); err != nil {
		return f, err
	}
	d.step("Made %s (%s students, %s teachers, %s parents) in %s", count(d.users, "person", "people"),
		number(d.having(schoolbell.RoleStudent)), number(d.having(schoolbell.RoleTeacher)), number(d.having(schoolbell.RoleParent)), seconds(time.Since(began)))

	select {
	case <-d.runtime.Pipeline.Ready():
	case <-ctx.Done():
		return f, ctx.Err()
	}
	id, created, err := d.createEvent(ctx)
	if err != nil {
		return f, err
	}
	start := time.Now().Add(-created)
	d.step("Created one event for all of them over HTTP in %.1f ms", milliseconds(created))
	if err := d.await(ctx, id, true); err != nil {
		return f, err
	}
	took := time.Since(start)
	if f, err = d.tally(ctx, id); err != nil {
		return f, err
	}
	if err := d.tellPhones(ctx, &f); err != nil {
		return f, err
	}
	f.CreateMS, f.Seconds = round(milliseconds(created), 1), round(took.Seconds(), 3)
	f.EmailsPerSecond = round(float64(f.EmailsAccepted)/took.Seconds(), 0)
	f.MaxRSSMB = round(maxRSS(), 1)
	return f, nil
}
