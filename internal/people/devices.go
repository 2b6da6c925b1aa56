package people

import (
	"context"
	"slices"

	"schoolbell"
)

// AddDevice registers a browser for the push messages of a user. One that is registered already gets the new keys and label,
// and is used again if it was not. Devices that their push service no longer knows are removed, and the oldest one if there
// are more than [schoolbell.MaxDevices]. CodeNotFound if there is no such user.
func (s *Service) AddDevice(ctx context.Context, userID string, d schoolbell.Device) (change schoolbell.Change, err error) {
	if err := d.Validate(); err != nil {
		return "", err
	}
	added := schoolbell.Address{Channel: schoolbell.ChannelPush, Address: d.Address(), Label: d.Label, State: schoolbell.AddressUnverified}
	err = s.store.ChangeDevices(ctx, userID, func(old []schoolbell.Address) ([]schoolbell.Address, error) {
		change = schoolbell.ChangeCreated
		kept := make([]schoolbell.Address, 0, len(old)+1)
		for _, a := range old {
			switch {
			case deviceOf(a).DeviceID() == d.DeviceID():
				change = schoolbell.ChangeUpdated
			case a.State.Usable():
				kept = append(kept, a)
			}
		}
		kept = append(kept, added)
		return kept[max(len(kept)-schoolbell.MaxDevices, 0):], nil
	})
	return change, err
}

// Devices returns the browsers that receive the push messages of a user, the oldest first; CodeNotFound if there is no
// such user.
func (s *Service) Devices(ctx context.Context, userID string) ([]schoolbell.Device, error) {
	u, err := s.store.User(ctx, userID)
	if err != nil {
		return nil, err
	}
	devices := []schoolbell.Device{}
	for _, a := range u.Addresses {
		if a.Channel == schoolbell.ChannelPush {
			devices = append(devices, deviceOf(a))
		}
	}
	return devices, nil
}

// RemoveDevice removes a browser; CodeNotFound if there is no such user or device.
func (s *Service) RemoveDevice(ctx context.Context, userID, deviceID string) error {
	return s.store.ChangeDevices(ctx, userID, func(old []schoolbell.Address) ([]schoolbell.Address, error) {
		kept := slices.DeleteFunc(slices.Clone(old), func(a schoolbell.Address) bool { return deviceOf(a).DeviceID() == deviceID })
		if len(kept) == len(old) {
			return nil, &schoolbell.Error{Code: schoolbell.CodeNotFound, Message: "the user has no such device"}
		}
		return kept, nil
	})
}

// deviceOf returns the device of an address. One that is no subscription, from a time when every text was taken, counts as an
// endpoint.
func deviceOf(a schoolbell.Address) schoolbell.Device {
	d := schoolbell.Device{Label: a.Label, State: a.State, Reason: a.Reason}
	subscription, err := schoolbell.ParsePushSubscription(a.Address)
	if err != nil {
		subscription = schoolbell.PushSubscription{Endpoint: a.Address}
	}
	d.PushSubscription = subscription
	return d
}
