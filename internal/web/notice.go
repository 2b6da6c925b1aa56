package web

import "net/http"

var noticeTemplate = parse("notice.html")

// notice is a page that says one thing.
type notice struct{ Title, Text string }

// UnknownLink answers with 404 that a link is not valid. It says nothing about what the link might
// have led to.
func (f Frame) UnknownLink(w http.ResponseWriter) error {
	return f.notice(w, http.StatusNotFound, notice{f.Words.UnknownTitle, f.Words.UnknownText})
}

// EndedLink answers with 410 that a link works no more. It says the same for every reason.
func (f Frame) EndedLink(w http.ResponseWriter) error {
	return f.notice(w, http.StatusGone, notice{f.Words.EndedTitle, f.Words.EndedText})
}

// Failed answers with the status of an error, which asks people to try again.
func (f Frame) Failed(w http.ResponseWriter, status int) error {
	return f.notice(w, status, notice{f.Words.FailedTitle, f.Words.FailedText})
}

func (f Frame) notice(w http.ResponseWriter, status int, n notice) error {
	return f.write(w, status, noticeTemplate, n.Title, n)
}
