package cli

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"schoolbell"
	"schoolbell/wire"
)

type schoolCmd struct {
	Show schoolShowCmd `cmd:"" help:"Show the settings of the school."`
	Set  schoolSetCmd  `cmd:"" help:"Change settings of the school."`
}

type schoolShowCmd struct{ remote }

// Run shows the settings of the school.
func (c *schoolShowCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	s, err := server.Settings(ctx)
	if err != nil {
		return err
	}
	return a.printSettings(s, c.JSON)
}

type schoolSetCmd struct {
	remote
	Settings []string `arg:"" name:"setting=value" help:"Settings to change, such as name=\"Hill School\" or quiet_hours=21:00-07:00. An empty value removes an optional one. Names: ${school_settings}."`
}

// Run changes settings and leaves the others as they are.
func (c *schoolSetCmd) Run(ctx context.Context, a *program) error {
	changes, err := changesOf(c.Settings)
	if err != nil {
		return err
	}
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	s, err := server.Settings(ctx)
	if err != nil {
		return err
	}
	if err := changes.apply(s); err != nil {
		return err
	}
	// With its version, so that a change of somebody else in between is not lost.
	if s, err = server.PutSettings(ctx, s); err != nil {
		return err
	}
	return a.printSettings(s, c.JSON)
}

// printSettings shows the settings of the school, one on each line.
func (a *program) printSettings(s *wire.Settings, asJSON bool) error {
	if asJSON {
		return a.printJSON(s)
	}
	t := newTable("SETTING", "VALUE")
	for _, setting := range schoolSettings {
		t.add(setting.key, cmp.Or(setting.show(s), "-"))
	}
	t.print(a.Out, a.style)
	return nil
}

// schoolSetting is one setting of the school, as text.
type schoolSetting struct {
	key  string
	show func(s *wire.Settings) string
	set  func(s *wire.Settings, value string) error
}

// schoolSettings are all settings of the school, in the order in which they are listed.
var schoolSettings = []schoolSetting{
	text("name", func(s *wire.Settings) *string { return &s.Name }),
	text("logo", func(s *wire.Settings) *string { return &s.Logo }),
	text("colours.primary", func(s *wire.Settings) *string { return &s.Colours.Primary }),
	text("colours.accent", func(s *wire.Settings) *string { return &s.Colours.Accent }),
	text("signature", func(s *wire.Settings) *string { return &s.Signature }),
	text("language", func(s *wire.Settings) *string { return &s.Language }),
	text("timezone", func(s *wire.Settings) *string { return &s.Timezone }),
	{"digest", func(s *wire.Settings) string { return s.Digest.String() }, setDigest},
	{"quiet_hours", func(s *wire.Settings) string { return s.QuietHours.String() }, setQuietHours},
	text("retention.events", func(s *wire.Settings) *schoolbell.Period { return &s.Retention.Events }),
	text("retention.deliveries", func(s *wire.Settings) *schoolbell.Period { return &s.Retention.Deliveries }),
	text("retention.inbox", func(s *wire.Settings) *schoolbell.Period { return &s.Retention.Inbox }),
	text("retention.receipts", func(s *wire.Settings) *schoolbell.Period { return &s.Retention.Receipts }),
	text("retention.audit", func(s *wire.Settings) *schoolbell.Period { return &s.Retention.Audit }),
	text("retention.idempotency", func(s *wire.Settings) *schoolbell.Period { return &s.Retention.Idempotency }),
}

// text is a setting whose value is its text.
func text[T ~string](key string, of func(s *wire.Settings) *T) schoolSetting {
	return schoolSetting{key,
		func(s *wire.Settings) string { return string(*of(s)) },
		func(s *wire.Settings, value string) error { *of(s) = T(value); return nil },
	}
}

func setDigest(s *wire.Settings, value string) error {
	s.Digest = schoolbell.ParseDigestWindow(value)
	return nil
}

func setQuietHours(s *wire.Settings, value string) (err error) {
	if s.QuietHours, err = schoolbell.ParseQuietHours(value); err != nil {
		return usage("quiet_hours: %v", err)
	}
	return nil
}

// schoolSettingNames lists the settings of the school.
func schoolSettingNames() string {
	keys := make([]string, len(schoolSettings))
	for i, s := range schoolSettings {
		keys[i] = s.key
	}
	return strings.Join(keys, ", ")
}

// schoolChange is a setting and its new value.
type schoolChange struct {
	schoolSetting
	value string
}

type schoolChanges []schoolChange

// changesOf reads assignments such as name=Hill, each of another setting.
func changesOf(assignments []string) (changes schoolChanges, err error) {
	for _, text := range assignments {
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, usage("%q is not setting=value", text)
		}
		if slices.ContainsFunc(changes, func(c schoolChange) bool { return c.key == key }) {
			return nil, usage("%s is set twice", key)
		}
		i := slices.IndexFunc(schoolSettings, func(s schoolSetting) bool { return s.key == key })
		if i < 0 {
			return nil, usage("there is no setting %q; there are %s", key, schoolSettingNames())
		}
		changes = append(changes, schoolChange{schoolSettings[i], value})
	}
	return changes, changes.apply(&wire.Settings{}) // what is no value at all is found before anything is sent
}

func (changes schoolChanges) apply(s *wire.Settings) error {
	for _, c := range changes {
		if err := c.set(s, c.value); err != nil {
			return err
		}
	}
	return nil
}
