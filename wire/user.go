package wire

import "schoolbell"

// UserRequest is a user to be put; the id is in the path. It has the fields of
// [schoolbell.User], so that Go converts one into the other. As a response the API
// writes that type itself.
type UserRequest struct {
	ID         string               `json:"id,omitempty" doc:"Optional; must match the path."`
	Name       string               `json:"name" example:"Ada Lovelace"`
	Email      string               `json:"email,omitempty" example:"ada@example.org"`
	Phone      string               `json:"phone,omitempty" doc:"International number in E.164 format." example:"+442079460018"`
	Addresses  []schoolbell.Address `json:"addresses,omitzero" nullable:"false" maxItems:"20" doc:"All addresses. Email and phone are the first of their channels. Without this field, the other addresses stay as they are. state and reason are ignored."`
	Roles      []schoolbell.Role    `json:"roles" maxItems:"20" doc:"One or more roles."`
	Groups     []string             `json:"groups,omitempty" maxItems:"100" doc:"Ids of groups. Groups that do not exist yet are created."`
	Locale     string               `json:"locale,omitempty" doc:"Language tag. Default: the school's language." example:"en"`
	Timezone   string               `json:"timezone,omitempty" doc:"IANA name. Default: the school's time zone." example:"Europe/London"`
	GuardianOf []string             `json:"guardian_of,omitempty" maxItems:"50" doc:"Ids of the students that this user is a guardian of."`
}

// UserPage is one page of users in order of id.
type UserPage struct {
	Users []*schoolbell.User `json:"users"`
	Next  string             `json:"next,omitempty" doc:"Cursor of the next page. The last page has none."`
}

// NewToken asks for a token of a user.
type NewToken struct {
	TTL int `json:"ttl,omitempty" minimum:"10" maximum:"86400" doc:"Lifetime in seconds, 3600 by default."`
}

// CalendarFeed is where a calendar finds the events of one user.
type CalendarFeed struct {
	URL string `json:"url" doc:"A secret: everybody who has it can read the feed." example:"https://bell.school.example/calendar/AAAA.ics"`
}

// Token is a short-lived credential of one user.
type Token struct {
	Token     string `json:"token"`
	ExpiresAt Time   `json:"expires_at"`
}
