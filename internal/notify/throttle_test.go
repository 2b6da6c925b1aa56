package notify

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(throttle)
		if p.rest() > 0 {
			t.Error("rests before anybody asked")
		}
		rests := func(want time.Duration) {
			t.Helper()
			if got := p.slowDown(0); got != want {
				t.Errorf("rest is %v, want %v", got, want)
			}
		}
		rests(5 * time.Second)
		<-time.After(2 * time.Second)
		rests(3 * time.Second) // others who hear the same answer join the rest
		<-time.After(4 * time.Second)
		rests(10 * time.Second)
		for _, want := range []time.Duration{20, 40, 60, 60} {
			<-time.After(time.Minute + time.Second)
			rests(want * time.Second)
		}
		<-time.After(time.Minute + time.Second)
		p.good()
		rests(5 * time.Second)
		<-time.After(6 * time.Second)
		if got := p.slowDown(time.Minute); got != time.Minute {
			t.Errorf("rest is %v, want the minute the provider asked for", got)
		}
	})
}
