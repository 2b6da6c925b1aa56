// Package calendar writes events as iCalendar objects (RFC 5545), for attachments of emails and for feeds.
//
// Times are in UTC. A single event needs no time zone beside that: calendars show it in the zone of their reader, and it
// stays right when a country changes its rules. Only repetitions would need a VTIMEZONE, and there are none.
package calendar
