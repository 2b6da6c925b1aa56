package row

import "schoolbell/internal/ledger"

// Closing is a ledger.DigestClosing as statements take it.
type Closing struct {
	Timezone string `json:"timezone"`
	Window   string `json:"window"`
	At       int64  `json:"at"` // milliseconds since 1970
}

// Closings returns closings as statements take them.
func Closings(closings []ledger.DigestClosing) []Closing {
	out := make([]Closing, len(closings))
	for i, c := range closings {
		out[i] = Closing{Timezone: c.Timezone, Window: c.Window.String(), At: c.At.UnixMilli()}
	}
	return out
}
