package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
	"schoolbell/internal/api"
	"schoolbell/wire"
)

const (
	deviceKeys = `{"p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4","auth":"BTBZMqHH6r4Tts7J_aSIgg"}`
	deviceBody = `{"endpoint":"https://push.example/v1/secret-7Yb2","expirationTime":null,"keys":` + deviceKeys + `,"label":"Secret phone"}`
)

// deviceID is the id of the device of deviceBody.
var deviceID = schoolbell.PushSubscription{Endpoint: "https://push.example/v1/secret-7Yb2"}.DeviceID()

func device(n int) wire.DeviceRequest {
	return wire.DeviceRequest{Endpoint: fmt.Sprintf("https://push.example/v1/secret-%04d", n), Label: fmt.Sprint("Device ", n), Keys: wire.DeviceKeys{
		P256dh: "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4", Auth: "BTBZMqHH6r4Tts7J_aSIgg"}}
}

func TestDevices(t *testing.T) {
	t.Parallel()
	t.Run("a browser is registered, listed and removed", devicesLife)
	t.Run("the same browser is registered once", devicesOnce)
	t.Run("the oldest of too many gives way", devicesMany)
	t.Run("a browser is registered by its user's token", devicesToken)
	t.Run("what is no subscription is refused by field", devicesInvalid)
	t.Run("a server without push registers none", devicesOff)
}

func devicesLife(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	ctx := t.Context()
	if key, err := s.PushKey(ctx); err != nil || key != "public key" {
		t.Errorf("key %q, %v", key, err)
	}
	a := s.raw("POST", "/v1/users/u1/devices", deviceBody)
	if a.StatusCode != 201 || a.Header.Get("Location") != "/v1/users/u1/devices/"+deviceID {
		t.Errorf("%d, Location %q: %s", a.StatusCode, a.Header.Get("Location"), a.body)
	}
	got, err := s.Devices(ctx, "u1")
	must(t, err)
	want := []wire.Device{{ID: deviceID, Label: "Secret phone", Endpoint: "https://push.example/…7Yb2", State: schoolbell.AddressUnverified}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if text := a.body + s.raw("GET", "/v1/users/u1/devices", "").body + s.log.String(); strings.Contains(text, "secret-7Yb2") || strings.Contains(text, "BTBZMqHH6r4Tts7J_aSIgg") {
		t.Errorf("the endpoint or a key is in an answer or the log: %s", text)
	}
	u, err := s.User(ctx, "u1")
	must(t, err)
	if last := u.Addresses[len(u.Addresses)-1]; last.Channel != schoolbell.ChannelPush || !strings.HasPrefix(last.Address, `{"endpoint":"https://push.example/v1/secret-7Yb2"`) {
		t.Errorf("addresses %+v", u.Addresses)
	}
	must(t, s.RemoveDevice(ctx, "u1", deviceID))
	if got, err := s.Devices(ctx, "u1"); err != nil || len(got) != 0 {
		t.Errorf("left: %+v, %v", got, err)
	}
	wantProblem(t, s.RemoveDevice(ctx, "u1", deviceID), 404, "not_found", "")
	wantProblem(t, s.RemoveDevice(ctx, "ghost", deviceID), 404, "not_found", "")
	_, err = s.Devices(ctx, "ghost")
	wantProblem(t, err, 404, "not_found", "")
	_, _, err = s.AddDevice(ctx, "ghost", device(1))
	wantProblem(t, err, 404, "not_found", "")
}

func devicesOnce(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	for n := range 3 {
		in := device(1)
		in.Label = fmt.Sprint("Label ", n)
		if n == 2 {
			in.Keys.Auth = "AAAAAAAAAAAAAAAAAAAAAA" // a browser may make new keys
		}
		d, created, err := s.AddDevice(t.Context(), "u1", in)
		must(t, err)
		if created != (n == 0) || d.Label != in.Label {
			t.Errorf("time %d: %+v, created %v", n, d, created)
		}
	}
	u, err := s.User(t.Context(), "u1")
	must(t, err)
	var devices []schoolbell.Address
	for _, a := range u.Addresses {
		if a.Channel == schoolbell.ChannelPush {
			devices = append(devices, a)
		}
	}
	if len(devices) != 1 || devices[0].Label != "Label 2" || !strings.Contains(devices[0].Address, "AAAAAAAAAAAAAAAAAAAAAA") {
		t.Errorf("%+v", devices)
	}
}

func devicesMany(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	for n := range schoolbell.MaxDevices + 2 {
		_, created, err := s.AddDevice(t.Context(), "u1", device(n))
		must(t, err)
		if !created {
			t.Errorf("device %d is not new", n)
		}
	}
	got, err := s.Devices(t.Context(), "u1")
	must(t, err)
	if len(got) != schoolbell.MaxDevices || got[0].Label != "Device 2" || got[len(got)-1].Label != fmt.Sprint("Device ", schoolbell.MaxDevices+1) {
		t.Errorf("%d devices: %+v", len(got), got)
	}
}

func devicesToken(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	owner := s.as(s.token("u1"))
	d, created, err := owner.AddDevice(t.Context(), "u1", device(1))
	must(t, err)
	if !created {
		t.Error("the device is not new")
	}
	must(t, owner.RemoveDevice(t.Context(), "u1", d.ID))
}

func devicesInvalid(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	for name, c := range map[string]struct {
		change func(d *wire.DeviceRequest)
		field  string
	}{
		"http":                 {func(d *wire.DeviceRequest) { d.Endpoint = "http://push.example/secret" }, "endpoint"},
		"another push service": {func(d *wire.DeviceRequest) { d.Endpoint = "https://evil.example/secret" }, "endpoint"},
		"a private address":    {func(d *wire.DeviceRequest) { d.Endpoint = "https://169.254.169.254/secret" }, "endpoint"},
		"no URL":               {func(d *wire.DeviceRequest) { d.Endpoint = "secret" }, "endpoint"},
		"a bad key":            {func(d *wire.DeviceRequest) { d.Keys.P256dh = "x" }, "keys.p256dh"},
		"a bad secret":         {func(d *wire.DeviceRequest) { d.Keys.Auth = "x" }, "keys.auth"},
		"a long label":         {func(d *wire.DeviceRequest) { d.Label = strings.Repeat("x", 201) }, "label"},
	} {
		in := device(1)
		c.change(&in)
		_, _, err := s.AddDevice(t.Context(), "u1", in)
		t.Run(name, func(t *testing.T) { wantProblem(t, err, 422, "invalid", c.field) })
	}
	if got, err := s.Devices(t.Context(), "u1"); err != nil || len(got) != 0 {
		t.Errorf("registered: %+v, %v", got, err)
	}
	if strings.Contains(s.log.String(), "secret") {
		t.Error("an endpoint is in the log")
	}
}

func devicesOff(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *api.Config) { c.Push = api.Push{} })
	s.user("u1")
	if key, err := s.PushKey(t.Context()); err != nil || key != "" {
		t.Errorf("key %q, %v", key, err)
	}
	_, _, err := s.AddDevice(t.Context(), "u1", device(1))
	wantProblem(t, err, 409, "conflict", "")
}
