package config

import (
	"net/url"
	"regexp"
	"strings"

	"schoolbell"
)

// The providers of email: values of EMAIL_PROVIDER and EMAIL_FALLBACK.
const (
	ProviderSMTP     = "smtp"
	ProviderSES      = "ses"
	ProviderSendGrid = "sendgrid"
)

// SES settings choose the account at Amazon SES.
type SES struct {
	Endpoint         string `name:"ses-endpoint" setting:"SES_ENDPOINT" placeholder:"URL" help:"URL of Amazon SES. That of AWS_REGION if empty."`
	Region           string `name:"aws-region" setting:"AWS_REGION" placeholder:"REGION" help:"AWS region of Amazon SES, such as eu-west-1. Required with Amazon SES."`
	AccessKeyID      string `name:"aws-access-key-id" setting:"AWS_ACCESS_KEY_ID" placeholder:"ID" help:"Access key for Amazon SES."`
	SecretAccessKey  Secret `name:"aws-secret-access-key" setting:"AWS_SECRET_ACCESS_KEY" placeholder:"SECRET" help:"Secret of AWS_ACCESS_KEY_ID."`
	SessionToken     Secret `name:"aws-session-token" setting:"AWS_SESSION_TOKEN" placeholder:"TOKEN" help:"Session token, if the access key is temporary."`
	ConfigurationSet string `name:"ses-configuration-set" setting:"SES_CONFIGURATION_SET" placeholder:"NAME" help:"Configuration set that all email uses, for events about deliveries. None if empty."`
}

// SendGrid settings choose the account at SendGrid.
type SendGrid struct {
	URL    string `name:"sendgrid-url" setting:"SENDGRID_URL" default:"https://api.sendgrid.com" placeholder:"URL" help:"URL of SendGrid. https://api.eu.sendgrid.com for an EU subuser."`
	APIKey Secret `name:"sendgrid-api-key" setting:"SENDGRID_API_KEY" placeholder:"KEY" help:"API key for SendGrid with the scope mail.send."`
}

// Uses reports whether email may go through a provider, first or as the fallback.
func (e *Email) Uses(provider string) bool {
	return e.Provider == provider || e.Fallback == provider || provider == ProviderSMTP && e.Provider == ""
}

// Captured reports whether email is captured by this program, not sent.
func (e *Email) Captured() bool { return e.Uses(ProviderSMTP) && e.Host == "" }

// checkProviders checks which providers are chosen, and that each has its settings.
func (c *Config) checkProviders(f *schoolbell.Faults) {
	e := &c.Email
	oneOf(f, "EMAIL_PROVIDER", e.Provider, ProviderSMTP, ProviderSES, ProviderSendGrid)
	if e.Fallback != "" {
		oneOf(f, "EMAIL_FALLBACK", e.Fallback, ProviderSMTP, ProviderSES, ProviderSendGrid)
		if e.Fallback == e.Provider {
			f.Add("EMAIL_FALLBACK", "must differ from EMAIL_PROVIDER")
		}
		if e.Captured() {
			f.Add("SMTP_HOST", "is required with EMAIL_FALLBACK, unless neither provider is smtp")
		}
	}
	if e.From == "" && (e.Uses(ProviderSES) || e.Uses(ProviderSendGrid)) {
		f.Add("EMAIL_FROM", "is required: the From address of all email")
	}
	c.SES.check(f, e.Uses(ProviderSES))
	c.SendGrid.check(f, e.Uses(ProviderSendGrid))
}

var (
	regionPattern = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$`)
	setPattern    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

func (s *SES) check(f *schoolbell.Faults, used bool) {
	if !used { // the AWS settings may be for another program
		return
	}
	secureURL(f, "SES_ENDPOINT", s.Endpoint)
	if !regionPattern.MatchString(s.Region) {
		f.Add("AWS_REGION", "must be a region such as eu-west-1")
	}
	if s.AccessKeyID == "" || strings.ContainsAny(s.AccessKeyID, " \t\r\n/,") {
		f.Add("AWS_ACCESS_KEY_ID", "is required with Amazon SES: a word such as AKIAIOSFODNN7EXAMPLE")
	}
	if s.SecretAccessKey == "" {
		f.Add("AWS_SECRET_ACCESS_KEY", "is required with Amazon SES")
	}
	if s.ConfigurationSet != "" && !setPattern.MatchString(s.ConfigurationSet) {
		f.Add("SES_CONFIGURATION_SET", "must be at most 64 letters, digits, - or _")
	}
}

func (s *SendGrid) check(f *schoolbell.Faults, used bool) {
	if !used {
		return
	}
	secureURL(f, "SENDGRID_URL", s.URL)
	if k := s.APIKey.Reveal(); k == "" || strings.ContainsAny(k, " \t\r\n") {
		f.Add("SENDGRID_API_KEY", "is required with SendGrid: a word such as SG.xxx.yyy")
	}
}

// secureURL allows http:// only on this machine: requests have keys and people's data.
func secureURL(f *schoolbell.Faults, name, text string) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && !(u.Scheme == "http" && schoolbell.Loopback(u.Hostname())) {
		f.Add(name, "must be a URL such as https://api.example.org; http:// is allowed on this machine only")
	}
}
