package doctor

import (
	"context"

	"schoolbell/internal/app"
	"schoolbell/internal/config"
)

// checkIdentityProvider reads the metadata and the keys of the identity provider. Whether it accepts the secret shows only when somebody
// signs in.
func checkIdentityProvider(ctx context.Context, cfg *config.Config) Finding {
	if err := app.IdentityProvider(cfg).Check(ctx); err != nil {
		return broken("check OIDC_ISSUER; people can sign in with passwords meanwhile", "%s", oneLine(err.Error(), maxQuoted))
	}
	return fine("%s answers; it must know the redirect URL %s", cfg.OIDC.Issuer, app.SignOnRedirect(cfg))
}
