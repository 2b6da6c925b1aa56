package staff

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"

	"github.com/google/uuid"
)

const (
	deviceIDBytes  = 16
	deviceMACBytes = 16
)

// DeviceToken returns a token for a browser in which the owner of an account has signed in: base64url of the account's
// UUID and of 16 bytes of an HMAC-SHA256. Somebody who guesses at the account cannot lock out a browser that has it.
func (s *Service) DeviceToken(account string) string {
	id, err := uuid.Parse(account)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(append(id[:], s.deviceMAC(id[:])...))
}

// DeviceAccount returns the account of a device token, "" if the token was not made here.
func (s *Service) DeviceAccount(token string) string {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) != deviceIDBytes+deviceMACBytes || !hmac.Equal(b[deviceIDBytes:], s.deviceMAC(b[:deviceIDBytes])) {
		return ""
	}
	return uuid.UUID(b[:deviceIDBytes]).String()
}

func (s *Service) deviceMAC(id []byte) []byte {
	mac := hmac.New(sha256.New, s.devices)
	mac.Write(id)
	return mac.Sum(nil)[:deviceMACBytes]
}
