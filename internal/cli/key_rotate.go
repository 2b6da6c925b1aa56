package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/internal/advice"
	"schoolbell/internal/auth"
)

type keyRotateCmd struct {
	keyring
	Fingerprint string        `arg:"" name:"fingerprint" help:"Fingerprint of the key, or its beginning, as shown by key list."`
	Grace       time.Duration `name:"grace" default:"24h" type:"s" placeholder:"TIME" help:"Time for which the old secret still works, at most 720h. A plain number is seconds."`
	Expires     string        `name:"expires" placeholder:"TIME" help:"New expiry of the key, as for key create. The same as before if left out."`
}

// Run gives a key a new secret.
func (c *keyRotateCmd) Run(ctx context.Context, a *program) (err error) {
	expires, err := parseExpiry(c.Expires, time.Now())
	if err != nil {
		return usage("--expires: %v", err)
	}
	keys, shut, err := c.open(ctx, a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shut()) }()
	secret, k, old, err := keys.Rotate(asAccount(ctx), c.Fingerprint, c.Grace, expires)
	if err != nil {
		return keyAdvice(err)
	}
	if c.JSON {
		made, replaced := newKeyJSON(k), newKeyJSON(old)
		made.Secret, made.Replaced = secret, &replaced
		return a.printJSON(made)
	}
	a.say("API key, shown only this once: %s", a.style.bold(secret))
	a.say("Fingerprint %s, name %s, scope %s%s", auth.Fingerprint(k), k.Name, k.Scope, expiry(k))
	a.say("The old secret, fingerprint %s, works until %s.", auth.Fingerprint(old), when(old.ExpiresAt))
	return nil
}

// keyAdvice adds the next step to an error about the key that a fingerprint names.
func keyAdvice(err error) error {
	switch {
	case schoolbell.CodeOf(err) == schoolbell.CodeNotFound:
		return advice.Add(err, "see schoolbell key list")
	case schoolbell.CodeOf(err) == schoolbell.CodeConflict && strings.Contains(err.Error(), "begin with"):
		return advice.Add(err, "use the whole fingerprint, as schoolbell key list shows it")
	}
	return err
}

// expiry says when a key expires, as the end of a line about it.
func expiry(k schoolbell.APIKey) string {
	if k.ExpiresAt.IsZero() {
		return ""
	}
	return ", expires " + when(k.ExpiresAt)
}

// parseExpiry reads what parseTime reads, also a day, and days from now such as +90d.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok && strings.HasPrefix(text, "+") {
		n, err := strconv.ParseUint(days[1:], 10, 16)
		if err != nil {
			return time.Time{}, fmt.Errorf("%q is not a number of days such as +90d", text)
		}
		return now.AddDate(0, 0, int(n)), nil
	}
	if day, err := time.ParseInLocation(time.DateOnly, text, time.Local); err == nil {
		return day, nil
	}
	return parseTime(text, now)
}

// asAccount returns a context whose calls the account makes that runs the command.
func asAccount(ctx context.Context) context.Context {
	id := strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		id = u.Username
	}
	return auth.WithPrincipal(ctx, auth.Principal{Kind: schoolbell.ActorCLI, ID: id, Grants: auth.Grants{Scope: schoolbell.ScopeAdmin}})
}
