package channel

import (
	"fmt"
	"net"
	"net/url"
	"strconv"

	"schoolbell"
	"schoolbell/internal/config"
)

// Description is what people may know of a provider. It has no secret.
type Description struct {
	Channel  schoolbell.Channel
	Provider string // such as SMTP, mail.school.example:587
	From     string // sender; empty if it has none
	Limits   []string
	Fallback bool // it sends while the first provider of the channel takes nothing
}

// Describe says which providers the settings set up, in the order in which channels are shown.
func Describe(cfg *config.Config) (found []Description) {
	e := cfg.Email
	first := Description{Channel: schoolbell.ChannelEmail, Provider: emailProvider(e.Provider, cfg), From: e.From,
		Limits: limits(e.Connections, "email", e.Rate, e.DailyLimit, "in 24 hours")}
	found = append(found, first)
	if e.Fallback != "" {
		second := first
		second.Provider, second.Fallback = emailProvider(e.Fallback, cfg), true
		found = append(found, second)
	}
	if s := cfg.SMS; s.SetUp() {
		host := s.URL
		if u, err := url.Parse(s.URL); err == nil {
			host = u.Host
		}
		found = append(found, Description{Channel: schoolbell.ChannelSMS, Provider: "Twilio, " + host, From: s.From,
			Limits: limits(s.Connections, "segment", s.Rate, s.MonthlyLimit, "a month")})
	}
	if pushSetUp(cfg) {
		found = append(found, Description{Channel: schoolbell.ChannelPush, Provider: "Web Push", Limits: limits(cfg.Push.Connections, "message", 0, 0, "")})
	}
	return found
}

func emailProvider(name string, cfg *config.Config) string {
	switch {
	case name == config.ProviderSES:
		return "Amazon SES, " + cfg.SES.Region
	case name == config.ProviderSendGrid:
		return "SendGrid"
	case cfg.Email.Captured():
		return "the mail catcher of this program"
	}
	return "SMTP, " + net.JoinHostPort(cfg.Email.Host, strconv.Itoa(cfg.Email.Port))
}

// limits are what the settings limit; 0 for no limit.
func limits(connections int, unit string, rate, most int, period string) (said []string) {
	said = append(said, fmt.Sprintf("up to %d connections of a worker", connections))
	if rate > 0 {
		said = append(said, fmt.Sprintf("%d %ss a second", rate, unit))
	}
	if most > 0 {
		said = append(said, fmt.Sprintf("%d %ss %s", most, unit, period))
	}
	return said
}
