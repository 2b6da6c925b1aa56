package row

import "schoolbell"

// Schedule returns the schedule of a user from its columns.
func Schedule(quietHours, digestWindow string) schoolbell.Schedule {
	return schoolbell.Schedule{QuietHours: QuietHours(quietHours), Digest: schoolbell.ParseDigestWindow(digestWindow)}
}

// QuietHours returns quiet hours from their column. A text that is none, which only another program can have written, is
// none of the user's own.
func QuietHours(text string) schoolbell.QuietHours {
	q, err := schoolbell.ParseQuietHours(text)
	if err != nil {
		return schoolbell.QuietHours{}
	}
	return q
}
