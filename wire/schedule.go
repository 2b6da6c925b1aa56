package wire

import "schoolbell"

// Schedule is when a user wants messages. A PUT replaces it.
type Schedule struct {
	QuietHours schoolbell.QuietHours   `json:"quiet_hours,omitzero" doc:"Those of the school if left out; none if from equals to."`
	Digest     schoolbell.DigestWindow `json:"digest,omitzero" doc:"When digests are sent. As the school has it if left out."`
	Effective  *EffectiveSchedule      `json:"effective,omitempty" readOnly:"true" doc:"Ignored in a PUT, so that a schedule that was read can be put."`
}

// EffectiveSchedule is what holds for a user, by the schedule of the user and the settings of the school.
type EffectiveSchedule struct {
	QuietHours schoolbell.QuietHours   `json:"quiet_hours,omitzero" doc:"Left out if there are none."`
	Digest     schoolbell.DigestWindow `json:"digest"`
	Timezone   string                  `json:"timezone" doc:"IANA name. Its clocks count." example:"Europe/London"`
}

// ScheduleOf shows the schedule of a user with a time zone, empty for that of the school.
func ScheduleOf(s schoolbell.Schedule, timezone string, school schoolbell.SchoolSettings) Schedule {
	holds := s.Or(school)
	if holds.QuietHours.From == holds.QuietHours.To {
		holds.QuietHours = schoolbell.QuietHours{}
	}
	if timezone == "" {
		timezone = school.Timezone
	}
	return Schedule{QuietHours: s.QuietHours, Digest: s.Digest,
		Effective: &EffectiveSchedule{QuietHours: holds.QuietHours, Digest: holds.Digest, Timezone: timezone}}
}

// Schedule returns the schedule that s stands for.
func (s Schedule) Schedule() schoolbell.Schedule {
	return schoolbell.Schedule{QuietHours: s.QuietHours, Digest: s.Digest}
}
