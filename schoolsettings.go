package schoolbell

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Limits on the settings of a school.
const (
	MaxSignatureLength = 1_000 // characters
	MaxLogoLength      = 2_000 // bytes

	MinRetention            = 24 * time.Hour // of everything but idempotency keys
	MinIdempotencyRetention = time.Hour
	MaxRetention            = 100 * 365 * 24 * time.Hour
)

// SchoolSettings is what a school says about itself and about the messages to its people.
// The ledger keeps one for the whole installation.
type SchoolSettings struct {
	Name       string       `json:"name"`
	Logo       string       `json:"logo,omitempty"` // https URL of an image; empty for none
	Colours    Colours      `json:"colours,omitzero"`
	Signature  string       `json:"signature,omitempty"`  // text below each email; empty for none
	Language   string       `json:"language"`             // BCP 47; also of users without a locale
	Timezone   string       `json:"timezone"`             // IANA name; also of users without one
	Digest     DigestWindow `json:"digest,omitzero"`      // of users who have none of their own
	QuietHours QuietHours   `json:"quiet_hours,omitzero"` // of users who have none of their own
	Retention  Retention    `json:"retention,omitzero"`

	Version   int64     `json:"-"` // counts the changes; 0 means that the ledger has no settings yet
	UpdatedAt time.Time `json:"-"`
}

// Colours are the colours of a school, written as #rrggbb. An empty one is the program's.
type Colours struct {
	Primary string `json:"primary,omitempty" doc:"As #rrggbb. The program's if left out." example:"#1c5fb8"`
	Accent  string `json:"accent,omitempty" doc:"As #rrggbb. The program's if left out." example:"#1a7346"`
}

// Retention says for how long each kind of row is kept. An empty period leaves it to the
// settings of the processes (RETAIN_EVENTS and so on).
type Retention struct {
	Events      Period `json:"events,omitempty" doc:"Days or hours, such as 730d or 36h, or forever. The setting of the server if left out." example:"730d"`
	Deliveries  Period `json:"deliveries,omitempty" doc:"As events." example:"365d"`
	Inbox       Period `json:"inbox,omitempty" doc:"As events." example:"365d"`
	Receipts    Period `json:"receipts,omitempty" doc:"As events." example:"90d"`
	Audit       Period `json:"audit,omitempty" doc:"As events." example:"1095d"`
	Idempotency Period `json:"idempotency,omitempty" doc:"As events." example:"7d"`
}

// Period is a whole number of days or hours, written as 730d or 36h, or [Forever]. A day
// has 24 hours.
type Period string

var (
	periodPattern = regexp.MustCompile(`^([1-9][0-9]{0,4})([dh])$`)
	colourPattern = regexp.MustCompile(`^#[0-9a-f]{6}$`)
)

// Forever is the period that has no end.
const Forever Period = "forever"

// Duration returns the length of p, 0 for Forever; ok is false if p is empty or not a period.
func (p Period) Duration() (d time.Duration, ok bool) {
	if p == Forever {
		return 0, true
	}
	parts := periodPattern.FindStringSubmatch(string(p))
	if parts == nil {
		return 0, false
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil {
		return 0, false
	}
	d = time.Duration(n) * time.Hour
	if parts[2] == "d" {
		d *= 24
	}
	return d, true
}

// DefaultSchoolSettings returns the settings of a school that has said nothing yet.
func DefaultSchoolSettings() SchoolSettings {
	return SchoolSettings{Name: "Our school", Language: "en", Timezone: "UTC", Digest: DefaultDigestWindow()}
}

// Normalize writes s in its usual form. Call it before Validate.
func (s *SchoolSettings) Normalize() {
	s.Name = strings.TrimSpace(s.Name)
	s.Logo = strings.TrimSpace(s.Logo)
	s.Signature = strings.TrimSpace(NormalizeText(s.Signature))
	s.Colours.Primary = strings.ToLower(s.Colours.Primary)
	s.Colours.Accent = strings.ToLower(s.Colours.Accent)
	if s.Digest == (DigestWindow{}) {
		s.Digest = DefaultDigestWindow()
	}
}

// Validate reports everything that is wrong with s as [Faults].
func (s *SchoolSettings) Validate() error {
	var f Faults
	checkLine(&f, "name", s.Name, MaxNameLength, true)
	if s.Logo != "" && !validLogo(s.Logo) {
		f.Add("logo", "must be an https URL such as https://school.example/logo.png, at most %d bytes", MaxLogoLength)
	}
	checkColour(&f, "colours.primary", s.Colours.Primary)
	checkColour(&f, "colours.accent", s.Colours.Accent)
	if s.Signature != "" {
		checkText(&f, "signature", s.Signature, MaxSignatureLength)
	}
	if err := ValidateLanguage(s.Language); err != nil {
		f.Add("language", "%v", err)
	}
	if !ValidTimezone(s.Timezone) {
		f.Add("timezone", "must be an IANA time zone such as Europe/London")
	}
	s.Digest.check(&f)
	s.QuietHours.check(&f)
	if s.QuietHours.From != "" && s.QuietHours.From == s.QuietHours.To {
		f.Add("quiet_hours.to", "must differ from quiet_hours.from")
	}
	s.Retention.check(&f)
	return f.Err()
}

// validLogo reports whether address is an https URL that everybody can load. Images inside
// the settings (data: URLs) are refused: most mail programs do not show them, and each
// message would carry them.
func validLogo(address string) bool {
	if len(address) > MaxLogoLength || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return false
	}
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "https" && u.User == nil && validDomain(u.Hostname()) && !isLocal(u.Hostname())
}

func checkColour(f *Faults, field, colour string) {
	if colour != "" && !colourPattern.MatchString(colour) {
		f.Add(field, "must be a colour such as #1c5fb8")
	}
}

func (r Retention) check(f *Faults) {
	for _, c := range []struct {
		field string
		value Period
		least time.Duration
		shown string
	}{
		{"events", r.Events, MinRetention, "1d"},
		{"deliveries", r.Deliveries, MinRetention, "1d"},
		{"inbox", r.Inbox, MinRetention, "1d"},
		{"receipts", r.Receipts, MinRetention, "1d"},
		{"audit", r.Audit, MinRetention, "1d"},
		{"idempotency", r.Idempotency, MinIdempotencyRetention, "1h"},
	} {
		if c.value == "" || c.value == Forever {
			continue
		}
		if d, ok := c.value.Duration(); !ok || d < c.least || d > MaxRetention {
			f.Add("retention."+c.field, "must be from %s to 36500d, as days or hours such as 730d or 36h, or forever", c.shown)
		}
	}
}
