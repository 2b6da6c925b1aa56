package row

import (
	"encoding/json"
	"fmt"
	"time"

	"schoolbell"
)

// EncodeSettings returns the settings of a school as both engines store them: JSON, without
// the version and the time, which have columns of their own.
func EncodeSettings(s schoolbell.SchoolSettings) (string, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("encode the school's settings: %w", err)
	}
	return string(text), nil
}

// DecodeSettings is the inverse of EncodeSettings.
func DecodeSettings(text string, version int64, updated time.Time) (s schoolbell.SchoolSettings, err error) {
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return s, fmt.Errorf("decode the school's settings: %w", err)
	}
	s.Normalize() // settings that an earlier version stored may lack some
	s.Version, s.UpdatedAt = version, updated
	return s, nil
}

// OutdatedSettings is the error of settings that were read before somebody else changed them.
func OutdatedSettings() error {
	return &schoolbell.Error{Code: schoolbell.CodeConflict, Message: "the settings have changed since they were read; read them again"}
}
