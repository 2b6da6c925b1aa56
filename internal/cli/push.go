package cli

import (
	"context"

	"schoolbell/internal/channel/push/vapid"
)

type pushCmd struct {
	Keys pushKeysCmd `cmd:"" help:"Print a new key pair as settings."`
}

type pushKeysCmd struct {
	JSON bool `name:"json" help:"Print as JSON."`
}

// Run makes a key pair. It stores nothing.
func (c *pushKeysCmd) Run(_ context.Context, a *program) error {
	key, err := vapid.NewKey()
	if err != nil {
		return err
	}
	private, err := key.Private()
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(map[string]string{"public_key": key.Public(), "private_key": private})
	}
	a.say("PUSH_PUBLIC_KEY=%s", key.Public())
	a.say("PUSH_PRIVATE_KEY=%s", private)
	return nil
}
