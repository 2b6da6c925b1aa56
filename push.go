package schoolbell

import (
	"bytes"
	"crypto/ecdh"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// PushSubscription is where a browser receives push messages, and the keys with which they are encrypted for it
// (RFC 8030, RFC 8291). As JSON it is the address of a device on the channel push. The endpoint is a secret of the browser's.
type PushSubscription struct {
	Endpoint string   `json:"endpoint"` // an https URL; http only on loopback
	Keys     PushKeys `json:"keys"`
}

// PushKeys are the keys of a subscription, in base64url without padding.
type PushKeys struct {
	P256dh string `json:"p256dh"` // the 65 bytes of an uncompressed point on the curve P-256
	Auth   string `json:"auth"`   // 16 random bytes
}

// maxEndpointLength is in bytes. Those of the known push services have 150 to 800.
const maxEndpointLength = 1_500

// ParsePushSubscription reads the address of a device: JSON as browsers write it. What it does not know, such as
// expirationTime, it leaves out. The error quotes nothing of the address.
func ParsePushSubscription(address string) (PushSubscription, error) {
	var s PushSubscription
	if err := json.Unmarshal([]byte(address), &s); err != nil {
		return s, errors.New(`must be a push subscription as JSON: {"endpoint":"https://…","keys":{"p256dh":"…","auth":"…"}}`)
	}
	s.Keys = PushKeys{P256dh: plainBase64(s.Keys.P256dh), Auth: plainBase64(s.Keys.Auth)}
	return s, s.Validate()
}

// base64Forms turns standard base64 into base64url without padding.
var base64Forms = strings.NewReplacer("+", "-", "/", "_", "=", "")

func plainBase64(s string) string { return base64Forms.Replace(s) }

// Validate reports everything that is wrong with s as [Faults], and quotes nothing of it.
func (s PushSubscription) Validate() error {
	var f Faults
	u, err := url.Parse(s.Endpoint)
	switch {
	case len(s.Endpoint) > maxEndpointLength:
		f.Add("endpoint", "must be at most %d bytes", maxEndpointLength)
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || strings.ContainsFunc(s.Endpoint, notPrintable):
		f.Add("endpoint", "must be the URL of a push service")
	case u.Scheme != "https" && (u.Scheme != "http" || !Loopback(u.Hostname())):
		f.Add("endpoint", "must begin with https://")
	}
	if _, err := s.PublicKey(); err != nil {
		f.Add("keys.p256dh", "must be base64url of a point on the curve P-256, 65 bytes")
	}
	if auth, err := s.Secret(); err != nil || len(auth) != 16 {
		f.Add("keys.auth", "must be base64url of 16 bytes")
	}
	return f.Err()
}

// notPrintable reports whether r is not a visible character of ASCII.
func notPrintable(r rune) bool { return r <= ' ' || r > '~' }

// PublicKey returns the public key of the browser.
func (s PushSubscription) PublicKey() (*ecdh.PublicKey, error) {
	point, err := base64.RawURLEncoding.DecodeString(s.Keys.P256dh)
	if err != nil {
		return nil, errors.New("the public key is not base64url")
	}
	key, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return nil, errors.New("the public key is not a point on the curve P-256")
	}
	return key, nil
}

// Secret returns the authentication secret of the browser: 16 bytes.
func (s PushSubscription) Secret() ([]byte, error) {
	secret, err := base64.RawURLEncoding.DecodeString(s.Keys.Auth)
	if err != nil {
		return nil, errors.New("the secret is not base64url")
	}
	return secret, nil
}

// Address returns the subscription as an address: JSON in one line, always the same for the same subscription.
func (s PushSubscription) Address() string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // strings always encode
	return strings.TrimSpace(b.String())
}

// Origin returns the push service of a valid subscription: scheme, host and port of the endpoint, as in https://push.example.
func (s PushSubscription) Origin() string {
	u, err := url.Parse(s.Endpoint)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + strings.TrimSuffix(strings.ToLower(u.Host), defaultPorts[u.Scheme])
}

// defaultPorts are the ports that an origin leaves out (RFC 6454, 6.2).
var defaultPorts = map[string]string{"https": ":443", "http": ":80"}

// DeviceID returns the id of the device: a digest of the endpoint, so that one device is registered once.
func (s PushSubscription) DeviceID() string {
	digest := sha256.Sum256([]byte(s.Endpoint))
	return hex.EncodeToString(digest[:16])
}

// Device is a browser that receives the push messages of a user.
type Device struct {
	PushSubscription
	Label  string       // what the user calls it; may be empty
	State  AddressState // the ledger's
	Reason string       // the push service's words about the state, if it gave any
}

// Validate reports everything that is wrong with d as [Faults].
func (d Device) Validate() error {
	f := Faults(FaultsOf(d.PushSubscription.Validate()))
	checkLine(&f, "label", d.Label, MaxNameLength, false)
	return f.Err()
}

// MaskedEndpoint returns the endpoint without its secret part: the push service and the last 4 characters.
func (d Device) MaskedEndpoint() string {
	const shown = 4
	tail := d.Endpoint[max(len(d.Endpoint)-shown, 0):]
	return fmt.Sprintf("%s/…%s", d.Origin(), tail)
}
