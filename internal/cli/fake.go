package cli

import (
	"context"
	"strings"
	"sync"

	"schoolbell/internal/fake"
)

// fakeCmd has a row for each fake.
type fakeCmd struct {
	SES      fakeSESCmd      `cmd:"" name:"ses" help:"Run a server that speaks as Amazon SES does."`
	SendGrid fakeSendGridCmd `cmd:"" name:"sendgrid" help:"Run a server that speaks as SendGrid does."`
	Twilio   fakeTwilioCmd   `cmd:"" name:"twilio" help:"Run a server that speaks as Twilio does."`
	Push     fakePushCmd     `cmd:"" name:"push" help:"Run a server that speaks as a push service does."`
}

// fakeReceipts are the flags of a fake that sends receipts.
type fakeReceipts struct {
	Server string `name:"server" default:"http://127.0.0.1:8080" placeholder:"URL" help:"Server to which receipts are sent. Empty for no receipts."`
	Secret string `name:"receipt-secret" default:"Fk7-mQ2xV9tR4wZ8-bN3cJ6h" placeholder:"SECRET" help:"RECEIPT_SECRET of this server."`
}

// url is where the receipts of a provider are taken; empty for none.
func (r fakeReceipts) url(provider string) string {
	if r.Server == "" {
		return ""
	}
	return strings.TrimRight(r.Server, "/") + "/v1/receipts/" + provider + "/" + r.Secret
}

// settings returns more settings if receipts are sent.
func (r fakeReceipts) settings(more ...[2]string) [][2]string {
	if r.Server == "" {
		return nil
	}
	return append([][2]string{{"RECEIPT_SECRET", r.Secret}}, more...)
}

// fakeServer is what every fake can do.
type fakeServer interface {
	URL() string
	Run(ctx context.Context) error
	Watch(f func(line string))
}

// runFake prints the settings with which a server or worker uses the fake, and how to choose what happens. Then it runs the
// fake until ctx ends, and prints what happens.
func (a *program) runFake(ctx context.Context, provider string, f fakeServer, settings [][2]string, hints ...string) error {
	a.tick("A fake %s runs at %s and delivers nothing. To use it, set:", provider, f.URL())
	for _, s := range settings {
		a.say("  %s=%s", s[0], s[1])
	}
	for _, hint := range hints {
		a.say("%s", hint)
	}
	var mu sync.Mutex
	f.Watch(func(line string) {
		mu.Lock()
		defer mu.Unlock()
		a.say("%s", line)
	})
	err := f.Run(ctx)
	a.farewell(err)
	return err
}

// emailHints say how a recipient decides.
func emailHints(r fakeReceipts) []string {
	var acts []string
	for _, act := range fake.Acts() {
		acts = append(acts, string(act))
	}
	hints := []string{"The first word of a recipient says what happens, as in throttle.ada@example.org: " + strings.Join(acts, ", ") + "."}
	if r.Server != "" {
		hints = append(hints, "A word says which receipts follow, as in bounce.ada@example.org: "+strings.Join(fake.PlanWords(), ", ")+". Other email is delivered.")
	}
	return hints
}

type fakeSESCmd struct {
	Addr   string  `name:"addr" default:"127.0.0.1:8090" placeholder:"HOST:PORT" help:"Address to listen on."`
	Rate   float64 `name:"rate" default:"14" placeholder:"N" help:"Emails per second that the account may send. 0 means no limit."`
	Daily  int     `name:"daily" default:"50000" placeholder:"N" help:"Emails that the account may send in 24 hours. 0 means no limit."`
	Paused bool    `name:"paused" help:"Sending is paused."`
	fakeReceipts
}

// Run runs the fake until ctx ends.
func (c *fakeSESCmd) Run(ctx context.Context, a *program) error {
	const topic, set = "arn:aws:sns:eu-west-1:123456789012:bell", "bell"
	o := fake.SESOptions{Addr: c.Addr, Rate: c.Rate, Daily: c.Daily, Paused: c.Paused, Region: "eu-west-1", AccessKeyID: "AKIAFAKE", SecretAccessKey: "fake-secret",
		ConfigurationSets: []string{set}, Topic: topic, Reports: fake.Reports{URL: c.url("ses")}}
	f, err := fake.NewSES(o)
	if err != nil {
		return err
	}
	settings := append([][2]string{
		{"EMAIL_PROVIDER", "ses"}, {"EMAIL_FROM", "office@hill.example"}, {"SES_ENDPOINT", f.URL()},
		{"AWS_REGION", o.Region}, {"AWS_ACCESS_KEY_ID", o.AccessKeyID}, {"AWS_SECRET_ACCESS_KEY", o.SecretAccessKey},
	}, c.settings([2]string{"SES_CONFIGURATION_SET", set}, [2]string{"SES_TOPIC_ARNS", topic}, [2]string{"SNS_ENDPOINT", f.URL()})...)
	return a.runFake(ctx, "Amazon SES", f, settings, emailHints(c.fakeReceipts)...)
}

type fakeSendGridCmd struct {
	Addr string  `name:"addr" default:"127.0.0.1:8091" placeholder:"HOST:PORT" help:"Address to listen on."`
	Rate float64 `name:"rate" default:"0" placeholder:"N" help:"Requests per second that are accepted. 0 means no limit."`
	fakeReceipts
}

// Run runs the fake until ctx ends.
func (c *fakeSendGridCmd) Run(ctx context.Context, a *program) error {
	o := fake.SendGridOptions{Addr: c.Addr, Rate: c.Rate, APIKey: "SG.fake", Reports: fake.Reports{URL: c.url("sendgrid")}}
	f, err := fake.NewSendGrid(o)
	if err != nil {
		return err
	}
	settings := append([][2]string{
		{"EMAIL_PROVIDER", "sendgrid"}, {"EMAIL_FROM", "office@hill.example"}, {"SENDGRID_URL", f.URL()}, {"SENDGRID_API_KEY", o.APIKey},
	}, c.settings([2]string{"SENDGRID_WEBHOOK_KEY", f.WebhookKey()})...)
	return a.runFake(ctx, "SendGrid", f, settings, emailHints(c.fakeReceipts)...)
}

type fakeTwilioCmd struct {
	Addr  string `name:"addr" default:"127.0.0.1:8092" placeholder:"HOST:PORT" help:"Address to listen on."`
	Daily int    `name:"daily" default:"0" placeholder:"N" help:"Messages that the account may send. 0 means no limit."`
	fakeReceipts
}

// Run runs the fake until ctx ends.
func (c *fakeTwilioCmd) Run(ctx context.Context, a *program) error {
	o := fake.TwilioOptions{Addr: c.Addr, DailyLimit: c.Daily, AccountSID: "AC0000000000000000000000000000fa4e", AuthToken: "fake-auth-token"}
	if c.Server != "" {
		o.Reports, o.InboundURL = fake.Reports{Plan: fake.PlanByNumber}, c.url("twilio")+"/inbound"
	}
	f, err := fake.NewTwilio(o)
	if err != nil {
		return err
	}
	settings := [][2]string{{"TWILIO_URL", f.URL()}, {"TWILIO_ACCOUNT_SID", o.AccountSID}, {"TWILIO_AUTH_TOKEN", o.AuthToken}, {"TWILIO_FROM", "+15005550006"}}
	settings = append(settings, c.settings([2]string{"PUBLIC_URL", c.Server})...)
	hints := []string{"Twilio's own test numbers are rejected: +15005550001 is not valid, +15005550004 has sent STOP."}
	if c.Server != "" {
		hints = append(hints, "The end of a number says which receipts follow: 30003 is off, 30005 does not exist. Other messages are delivered.",
			"To send STOP as a person: curl -d From=+31612345678 -d Body=STOP "+f.URL()+"/fake/inbound")
	}
	return a.runFake(ctx, "Twilio", f, settings, hints...)
}

type fakePushCmd struct {
	Addr      string `name:"addr" default:"127.0.0.1:8093" placeholder:"HOST:PORT" help:"Address to listen on."`
	PublicKey string `name:"public-key" placeholder:"KEY" help:"PUSH_PUBLIC_KEY with which browsers subscribe. Messages of other keys are then rejected."`
}

// Run runs the fake until ctx ends.
func (c *fakePushCmd) Run(ctx context.Context, a *program) error {
	f, err := fake.NewPush(fake.PushOptions{Addr: c.Addr, PublicKey: c.PublicKey})
	if err != nil {
		return err
	}
	return a.runFake(ctx, "push service", f, [][2]string{{"PUSH_SERVICES", strings.TrimPrefix(f.URL(), "http://")}, {"OUTBOUND_ALLOW", "127.0.0.0/8"}},
		"PUSH_PUBLIC_KEY and PUSH_PRIVATE_KEY are those of schoolbell push keys.",
		"To register a browser of anne:",
		"  curl -X POST "+f.URL()+"/fake/browsers | curl -H \"Authorization: Bearer $SCHOOLBELL_API_KEY\" -H 'Content-Type: application/json' -d @- http://127.0.0.1:8080/v1/users/anne/devices",
		"With ?act=throttle and the like, messages to the browser are throttled.")
}
