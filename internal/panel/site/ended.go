package site

import (
	"bytes"
	"net/url"

	"schoolbell/internal/panel/live"
)

// Reasons for which an open page does not follow the server any more.
const (
	signedOut   = "signed out"
	otherRights = "other rights"
)

// endedView tells people what to do with such a page. Both are relative URLs.
type endedView struct {
	Page   string
	SignIn string // empty if they are still signed in
}

// sayEnded tells an open page that it does not follow the server any more, and ends its stream.
func (s *Site) sayEnded(c *Call, out *live.Stream, why string) {
	path, root := pageOf(c), rootOfPage(c)
	v := endedView{Page: root + path}
	if why == signedOut {
		query := url.Values{"ended": {""}}
		if path != "" {
			query.Set("next", path)
		}
		v.SignIn = root + "sign-in?" + query.Encode()
	}
	var b bytes.Buffer
	if err := problemPage.ExecuteTemplate(&b, "ended", v); err != nil {
		s.Log.ErrorContext(c.Ctx(), "the panel failed", "error", err)
		return
	}
	out.Part("ended", b.String())
	out.End()
}
