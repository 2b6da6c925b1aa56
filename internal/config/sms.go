package config

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"schoolbell"
	"schoolbell/internal/channel/sms"
	"schoolbell/internal/phone"
)

// SMS settings choose how text messages are sent. Without an account there is no channel sms.
type SMS struct {
	AccountSID   string `name:"twilio-account-sid" setting:"TWILIO_ACCOUNT_SID" placeholder:"SID" help:"Twilio account (AC…). The channel sms exists only if it is set."`
	AuthToken    Secret `name:"twilio-auth-token" setting:"TWILIO_AUTH_TOKEN" placeholder:"TOKEN" help:"Token of the Twilio account."`
	APIKey       string `name:"twilio-api-key" setting:"TWILIO_API_KEY" placeholder:"SID" help:"Twilio API key (SK…) for requests, instead of the token."`
	APISecret    Secret `name:"twilio-api-secret" setting:"TWILIO_API_SECRET" placeholder:"SECRET" help:"Secret of TWILIO_API_KEY."`
	From         string `name:"twilio-from" setting:"TWILIO_FROM" placeholder:"NUMBER" help:"What sends: a number such as +442079460018, a short code, a name, or the id of a messaging service (MG…). Required with TWILIO_ACCOUNT_SID."`
	URL          string `name:"twilio-url" setting:"TWILIO_URL" default:"https://api.twilio.com" placeholder:"URL" help:"Base URL of Twilio's API."`
	Region       string `name:"sms-region" setting:"SMS_REGION" placeholder:"CODE" help:"Region whose national phone numbers are accepted for people, as an ISO 3166 code such as GB. If empty, only international numbers are."`
	MaxSegments  int    `name:"sms-max-segments" setting:"SMS_MAX_SEGMENTS" default:"3" placeholder:"N" help:"Longest text message in segments, 1 to 10. Longer texts are cut at a word."`
	Rate         int    `name:"sms-rate" setting:"SMS_RATE" default:"0" placeholder:"N" help:"Segments of text messages per second that all workers together send, with all attempts. 0 means no limit."`
	MonthlyLimit int    `name:"sms-monthly-limit" setting:"SMS_MONTHLY_LIMIT" default:"0" placeholder:"N" help:"Segments of text messages that all workers together send in a calendar month (UTC), with all attempts. 0 means no limit."`
	Price        string `name:"sms-price" setting:"SMS_PRICE" placeholder:"PRICE" help:"Price of one segment with its currency, such as 0.075 EUR, from which the cost of events is estimated. No costs are shown if empty."`
	Connections  int    `name:"sms-connections" setting:"SMS_CONNECTIONS" default:"10" placeholder:"N" help:"Maximum requests of a worker to Twilio at once."`
}

// SetUp reports whether text messages can be sent.
func (s *SMS) SetUp() bool { return s.AccountSID != "" }

var (
	accountPattern = regexp.MustCompile(`^AC[0-9a-fA-F]{32}$`)
	keyPattern     = regexp.MustCompile(`^SK[0-9a-fA-F]{32}$`)
	senderPattern  = regexp.MustCompile(`^(\+[1-9][0-9]{6,14}|[0-9]{3,8}|MG[0-9a-fA-F]{32})$`) // number, short code or messaging service
	namePattern    = regexp.MustCompile(`^[A-Za-z0-9 +&_-]{1,11}$`)
)

// validSender reports whether Twilio may accept a text as what sends. A name has a letter.
func validSender(from string) bool {
	return senderPattern.MatchString(from) || namePattern.MatchString(from) && strings.ContainsFunc(from, unicode.IsLetter)
}

func (s *SMS) check(f *schoolbell.Faults) {
	if s.Region != "" && !phone.ValidRegion(s.Region) {
		f.Add("SMS_REGION", "must be the ISO 3166 code of a region in capitals, such as GB")
	}
	between(f, "SMS_MAX_SEGMENTS", s.MaxSegments, 1, sms.MaxSegments)
	between(f, "SMS_RATE", s.Rate, 0, 100_000)
	between(f, "SMS_MONTHLY_LIMIT", s.MonthlyLimit, 0, 1_000_000_000)
	if s.MonthlyLimit > 0 && s.MonthlyLimit < s.MaxSegments {
		f.Add("SMS_MONTHLY_LIMIT", "must be at least SMS_MAX_SEGMENTS, or no message can be sent")
	}
	between(f, "SMS_CONNECTIONS", s.Connections, 1, 1000)
	if s.Price != "" && !pricePattern.MatchString(s.Price) {
		f.Add("SMS_PRICE", "must be a price and a currency, such as 0.075 EUR")
	}
	s.checkURL(f)
	if !s.SetUp() {
		if s.AuthToken != "" || s.APIKey != "" {
			f.Add("TWILIO_ACCOUNT_SID", "is required with TWILIO_AUTH_TOKEN or TWILIO_API_KEY")
		}
		return
	}
	if !accountPattern.MatchString(s.AccountSID) {
		f.Add("TWILIO_ACCOUNT_SID", "must be AC and 32 hexadecimal digits")
	}
	switch {
	case s.APIKey == "" && s.AuthToken == "":
		f.Add("TWILIO_AUTH_TOKEN", "is required with TWILIO_ACCOUNT_SID, unless TWILIO_API_KEY is set")
	case s.APIKey != "" && !keyPattern.MatchString(s.APIKey):
		f.Add("TWILIO_API_KEY", "must be SK and 32 hexadecimal digits")
	case (s.APIKey == "") != (s.APISecret == ""):
		f.Add("TWILIO_API_SECRET", "must be set together with TWILIO_API_KEY")
	}
	if !validSender(s.From) {
		f.Add("TWILIO_FROM", "must be a number such as +442079460018, a short code, a name of at most 11 letters and digits, or the id of a messaging service (MG…)")
	}
}

var pricePattern = regexp.MustCompile(`^[0-9]{1,6}(\.[0-9]{1,6})? [A-Z]{3}$`)

// PriceOf returns the price of one segment and its currency; none if SMS_PRICE is not set.
func (s *SMS) PriceOf() (price float64, currency string) {
	amount, currency, _ := strings.Cut(s.Price, " ")
	price, err := strconv.ParseFloat(amount, 64)
	if err != nil {
		return 0, ""
	}
	return price, currency
}

// checkURL refuses to send the credentials unencrypted over a network.
func (s *SMS) checkURL(f *schoolbell.Faults) {
	u, err := url.Parse(s.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		f.Add("TWILIO_URL", "must be a URL such as https://api.twilio.com")
	case u.Scheme == "http" && !schoolbell.Loopback(u.Hostname()):
		f.Add("TWILIO_URL", "must be https://, because credentials are sent to it")
	}
}
