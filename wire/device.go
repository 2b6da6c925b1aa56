package wire

import "schoolbell"

// DeviceRequest is a browser to be registered: its PushSubscription, as toJSON returns it, and a label.
type DeviceRequest struct {
	Endpoint       string     `json:"endpoint" doc:"URL of the browser at its push service." example:"https://push.example/v1/f7Yb2"`
	ExpirationTime *float64   `json:"expirationTime,omitempty" doc:"Ignored: a push service says when it no longer knows a browser."`
	Keys           DeviceKeys `json:"keys"`
	Label          string     `json:"label,omitempty" doc:"What the user calls the device." example:"Ada's phone"`
}

// DeviceKeys are the keys of a PushSubscription, in base64url.
type DeviceKeys struct {
	P256dh string `json:"p256dh" doc:"Public key: 65 bytes." example:"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"`
	Auth   string `json:"auth" doc:"Secret: 16 bytes." example:"BTBZMqHH6r4Tts7J_aSIgg"`
}

// Device is a registered browser.
type Device struct {
	ID       string                  `json:"id"`
	Label    string                  `json:"label,omitempty"`
	Endpoint string                  `json:"endpoint" doc:"The push service and the end of the URL. The rest is secret." example:"https://push.example/…7Yb2"`
	State    schoolbell.AddressState `json:"state" doc:"bounced: its push service no longer knows it, and nothing is sent to it."`
	Reason   string                  `json:"reason,omitempty" doc:"What the push service said about the state."`
}

// Devices are the registered browsers of a user, the oldest first.
type Devices struct {
	Devices []Device `json:"devices" nullable:"false"`
}

// DeviceOf returns a device as the API shows it.
func DeviceOf(d schoolbell.Device) Device {
	return Device{ID: d.DeviceID(), Label: d.Label, Endpoint: d.MaskedEndpoint(), State: d.State, Reason: d.Reason}
}

// Push is what browsers need to subscribe to push messages.
type Push struct {
	PublicKey string `json:"public_key" doc:"The applicationServerKey, in base64url. Empty if this server sends no push messages." example:"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"`
}
