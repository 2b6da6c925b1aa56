package wire

import "schoolbell"

// Settings are the settings of the school. A PUT replaces all of them.
type Settings struct {
	Name       string                  `json:"name" doc:"One line, at most 200 characters." example:"Hill School"`
	Logo       string                  `json:"logo,omitempty" doc:"https URL of an image, at most 2,000 bytes." example:"https://hill.example/logo.png"`
	Colours    schoolbell.Colours      `json:"colours,omitzero"`
	Signature  string                  `json:"signature,omitempty" doc:"Text below each email, at most 1,000 characters."`
	Language   string                  `json:"language" doc:"Language tag. Also for people without a locale." example:"en"`
	Timezone   string                  `json:"timezone" doc:"IANA name. Also for people without a time zone." example:"Europe/London"`
	Digest     schoolbell.DigestWindow `json:"digest,omitzero" doc:"When digests are sent, in the time zone of each recipient. Each day at 17:00 if left out."`
	QuietHours schoolbell.QuietHours   `json:"quiet_hours,omitzero" doc:"None if left out."`
	Retention  schoolbell.Retention    `json:"retention,omitzero" doc:"How long each kind of row is kept, where it differs from the settings of the server."`
	Version    int64                   `json:"version,omitempty" minimum:"0" doc:"Counts the changes. In a PUT, the version that was read: if it is not the current one, the answer is 409. A PUT without it always replaces."`
	UpdatedAt  Time                    `json:"updated_at,omitzero" readOnly:"true" doc:"Ignored in a PUT."`
}

// SettingsOf returns s as the API writes it.
func SettingsOf(s schoolbell.SchoolSettings) *Settings {
	return &Settings{Name: s.Name, Logo: s.Logo, Colours: s.Colours, Signature: s.Signature, Language: s.Language, Timezone: s.Timezone,
		Digest: s.Digest, QuietHours: s.QuietHours, Retention: s.Retention, Version: s.Version, UpdatedAt: At(s.UpdatedAt)}
}

// Settings returns the settings that s stands for.
func (s *Settings) Settings() schoolbell.SchoolSettings {
	return schoolbell.SchoolSettings{Name: s.Name, Logo: s.Logo, Colours: s.Colours, Signature: s.Signature, Language: s.Language,
		Timezone: s.Timezone, Digest: s.Digest, QuietHours: s.QuietHours, Retention: s.Retention, Version: s.Version, UpdatedAt: s.UpdatedAt.Time}
}
