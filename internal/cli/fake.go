package cli

import (
	"context"
	"strings"

	"schoolbell/internal/fake"
)

// fakeCmd has a row for each fake.
type fakeCmd struct {
	SES      fakeSESCmd      `cmd:"" name:"ses" help:"Run a server that speaks as Amazon SES does."`
	SendGrid fakeSendGridCmd `cmd:"" name:"sendgrid" help:"Run a server that speaks as SendGrid does."`
}

// fakeServer is what every fake can do.
type fakeServer interface {
	URL() string
	Run(ctx context.Context) error
}

// runFake prints the settings with which a server or worker uses the fake, and runs it until ctx ends.
func (a *program) runFake(ctx context.Context, provider string, f fakeServer, settings [][2]string) error {
	a.tick("A fake %s runs at %s and delivers nothing. To use it, set:", provider, f.URL())
	for _, s := range settings {
		a.say("  %s=%s", s[0], s[1])
	}
	var acts []string
	for _, act := range fake.Acts() {
		acts = append(acts, string(act))
	}
	a.say("The first word of a recipient says what happens, as in throttle.ada@example.org: %s.", strings.Join(acts, ", "))
	err := f.Run(ctx)
	a.farewell(err)
	return err
}

type fakeSESCmd struct {
	Addr   string  `name:"addr" default:"127.0.0.1:8090" placeholder:"HOST:PORT" help:"Address to listen on."`
	Rate   float64 `name:"rate" default:"14" placeholder:"N" help:"Emails per second that the account may send. 0 means no limit."`
	Daily  int     `name:"daily" default:"50000" placeholder:"N" help:"Emails that the account may send in 24 hours. 0 means no limit."`
	Paused bool    `name:"paused" help:"Sending is paused."`
}

// Run runs the fake until ctx ends.
func (c *fakeSESCmd) Run(ctx context.Context, a *program) error {
	o := fake.SESOptions{Addr: c.Addr, Rate: c.Rate, Daily: c.Daily, Paused: c.Paused, Region: "eu-west-1", AccessKeyID: "AKIAFAKE", SecretAccessKey: "fake-secret"}
	f, err := fake.NewSES(o)
	if err != nil {
		return err
	}
	return a.runFake(ctx, "Amazon SES", f, [][2]string{
		{"EMAIL_PROVIDER", "ses"}, {"EMAIL_FROM", "office@hill.example"}, {"SES_ENDPOINT", f.URL()},
		{"AWS_REGION", o.Region}, {"AWS_ACCESS_KEY_ID", o.AccessKeyID}, {"AWS_SECRET_ACCESS_KEY", o.SecretAccessKey},
	})
}

type fakeSendGridCmd struct {
	Addr string  `name:"addr" default:"127.0.0.1:8091" placeholder:"HOST:PORT" help:"Address to listen on."`
	Rate float64 `name:"rate" default:"0" placeholder:"N" help:"Requests per second that are accepted. 0 means no limit."`
}

// Run runs the fake until ctx ends.
func (c *fakeSendGridCmd) Run(ctx context.Context, a *program) error {
	o := fake.SendGridOptions{Addr: c.Addr, Rate: c.Rate, APIKey: "SG.fake"}
	f, err := fake.NewSendGrid(o)
	if err != nil {
		return err
	}
	return a.runFake(ctx, "SendGrid", f, [][2]string{
		{"EMAIL_PROVIDER", "sendgrid"}, {"EMAIL_FROM", "office@hill.example"}, {"SENDGRID_URL", f.URL()}, {"SENDGRID_API_KEY", o.APIKey},
	})
}
