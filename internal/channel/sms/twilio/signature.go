package twilio

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"maps"
	"net/url"
	"slices"
)

// Sign returns the X-Twilio-Signature of a request that Twilio makes: of its whole URL and of the fields of its form. The form
// of a request with a JSON body is nil; its URL has the digest of the body as bodySHA256. The key is the account's
// AuthToken, also where requests to Twilio use an API key.
func Sign(authToken, address string, form url.Values) string {
	h := hmac.New(sha1.New, []byte(authToken))
	_, _ = io.WriteString(h, address) // a hash takes everything
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, value := range slices.Compact(slices.Sorted(slices.Values(form[name]))) {
			_, _ = io.WriteString(h, name+value)
		}
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}
