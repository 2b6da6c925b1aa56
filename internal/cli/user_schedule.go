package cli

import (
	"cmp"
	"context"
	"strings"

	"schoolbell"
	"schoolbell/wire"
)

type userScheduleCmd struct {
	remote
	ID       string   `arg:"" name:"id" help:"Id of the person."`
	Settings []string `arg:"" optional:"" name:"setting=value" help:"What to change: quiet_hours=21:00-07:00, digest=17:00 or digest=\"friday 17:00\". An empty value is that of the school, quiet_hours=none is none."`
}

// Run changes the parts of a schedule that are named, and shows it.
func (c *userScheduleCmd) Run(ctx context.Context, a *program) error {
	if err := changeSchedule(c.Settings, &schoolbell.Schedule{}); err != nil { // before anything is sent
		return err
	}
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	shown, err := server.Schedule(ctx, c.ID)
	if err != nil {
		return err
	}
	if len(c.Settings) > 0 {
		own := shown.Schedule()
		if err := changeSchedule(c.Settings, &own); err != nil {
			return err
		}
		if shown, err = server.PutSchedule(ctx, c.ID, own); err != nil {
			return err
		}
	}
	if c.JSON {
		return a.printJSON(shown)
	}
	a.printSchedule(shown)
	return nil
}

// changeSchedule applies assignments such as digest=17:00.
func changeSchedule(assignments []string, s *schoolbell.Schedule) (err error) {
	for _, text := range assignments {
		switch key, value, _ := strings.Cut(text, "="); {
		case text == "quiet_hours=none":
			s.QuietHours = schoolbell.QuietHours{From: "00:00", To: "00:00"}
		case key == "quiet_hours":
			s.QuietHours, err = schoolbell.ParseQuietHours(value)
		case key == "digest":
			s.Digest = schoolbell.ParseDigestWindow(value)
		default:
			return usage("%q is neither quiet_hours=from-to nor digest=time", text)
		}
		if err != nil {
			return usage("quiet_hours: %v", err)
		}
	}
	return nil
}

func (a *program) printSchedule(s wire.Schedule) {
	whose := func(own string) string {
		if own == "" {
			return "the school's"
		}
		return "own"
	}
	t := newTable("SETTING", "VALUE", "WHOSE")
	t.add("quiet_hours", cmp.Or(s.Effective.QuietHours.String(), "none"), whose(s.QuietHours.String()))
	t.add("digest", s.Effective.Digest.String(), whose(s.Digest.String()))
	t.add("timezone", s.Effective.Timezone, "")
	t.print(a.Out, a.style)
}
