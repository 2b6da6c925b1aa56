package email

import "schoolbell"

// CalendarFile is the name of the attachment with the event.
const CalendarFile = "event.ics"

// CalendarType returns the media type of the attachment of m with the event.
func CalendarType(m *schoolbell.Message) string {
	if m.CalendarMethod == "" {
		return "text/calendar; charset=utf-8"
	}
	return "text/calendar; charset=utf-8; method=" + m.CalendarMethod // that of the object, RFC 6047 §2.4
}

// appendCalendar appends the event of m as an attachment. It is not an alternative to the texts: some mail programs show
// the event in their place, and people must see the message itself.
func appendCalendar(b []byte, m *schoolbell.Message) []byte {
	b = appendField(b, "Content-Type: ", CalendarType(m), "; name=\"", CalendarFile, "\"\r\n",
		"Content-Disposition: attachment; filename=\"", CalendarFile, "\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
	return appendContent(b, m.Calendar)
}
