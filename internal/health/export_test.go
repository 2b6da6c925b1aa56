package health

import "time"

// SetClock replaces the clock of a check, before it is first used.
func (c *Check) SetClock(now func() time.Time) { c.now = now }
