package api

import (
	"context"
	"net/http"
	"strings"

	"schoolbell"
	"schoolbell/wire"
)

type addDeviceInput struct {
	UserAccess
	Body wire.DeviceRequest
}

type addDeviceOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     wire.Device
}

func (s *Server) addDevice(ctx context.Context, in *addDeviceInput) (*addDeviceOutput, error) {
	text := schoolbell.PushSubscription{Endpoint: in.Body.Endpoint, Keys: schoolbell.PushKeys(in.Body.Keys)}.Address()
	subscription, err := schoolbell.ParsePushSubscription(text)
	if err != nil {
		return nil, err
	}
	if s.cfg.Push.PublicKey == "" {
		return nil, &schoolbell.Error{Code: schoolbell.CodeConflict, Message: "this server sends no push messages"}
	}
	if !s.cfg.Push.Serves(subscription.Origin()) {
		return nil, schoolbell.Invalid("endpoint", "is not at a push service that this server uses (PUSH_SERVICES)")
	}
	d := schoolbell.Device{PushSubscription: subscription, Label: strings.TrimSpace(in.Body.Label), State: schoolbell.AddressUnverified}
	change, err := s.cfg.People.AddDevice(ctx, in.ID, d)
	if err != nil {
		return nil, err
	}
	out := &addDeviceOutput{Status: http.StatusOK, Body: wire.DeviceOf(d)}
	if change == schoolbell.ChangeCreated {
		out.Status, out.Location = http.StatusCreated, "/v1/users/"+in.ID+"/devices/"+d.DeviceID()
	}
	return out, nil
}

type devicesOutput struct{ Body wire.Devices }

func (s *Server) listDevices(ctx context.Context, in *UserAccess) (*devicesOutput, error) {
	devices, err := s.cfg.People.Devices(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := &devicesOutput{wire.Devices{Devices: make([]wire.Device, 0, len(devices))}}
	for _, d := range devices {
		out.Body.Devices = append(out.Body.Devices, wire.DeviceOf(d))
	}
	return out, nil
}

type removeDeviceInput struct {
	UserAccess
	Device string `path:"device" doc:"The device's id."`
}

func (s *Server) removeDevice(ctx context.Context, in *removeDeviceInput) (*struct{}, error) {
	return nil, s.cfg.People.RemoveDevice(ctx, in.ID, in.Device)
}

type pushOutput struct{ Body wire.Push }

func (s *Server) getPush(context.Context, *struct{}) (*pushOutput, error) {
	return &pushOutput{wire.Push{PublicKey: s.cfg.Push.PublicKey}}, nil
}
