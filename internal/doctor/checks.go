package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"schoolbell/internal/advice"
	"schoolbell/internal/app"
	"schoolbell/internal/certificate"
	"schoolbell/internal/channel"
	"schoolbell/internal/config"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/sqlite"
)

func checkFolder(_ context.Context, cfg *config.Config) Finding {
	if cfg.Ledger.DatabaseURL != "" {
		return fine("not used: the ledger is in PostgreSQL")
	}
	dir := cfg.General.DataDir
	fix := "let this user write there, or set DATA_DIR to another folder"
	switch info, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return doubtful("run: schoolbell serve, which creates it, or set DATA_DIR to another folder", "%s does not exist yet", dir)
	case err != nil:
		return broken(fix, "%v", err)
	case info.Mode().Perm()&0o077 != 0:
		return doubtful("chmod 700 "+dir, "other users of this machine can read %s", dir)
	}
	if err := mayWrite(dir); err != nil {
		return broken(fix, "%v", err)
	}
	return fine("%s is writable", dir)
}

func checkLedger(ctx context.Context, cfg *config.Config) Finding {
	if _, err := os.Stat(cfg.SQLitePath()); cfg.Ledger.DatabaseURL == "" && errors.Is(err, fs.ErrNotExist) {
		return doubtful("run: schoolbell serve, which creates it", "%s does not exist yet", cfg.SQLitePath())
	}
	s, err := lookAtLedger(ctx, cfg)
	name := cfg.LedgerName()
	switch {
	case err != nil:
		return broken(advice.Or(err, "see the message"), "%v", err)
	case s.Version == 0:
		return doubtful("run: schoolbell migrate (serve and worker also do it when they start)", "%s is reachable and empty", name)
	case s.Behind() && cfg.Ledger.DatabaseURL == "":
		return doubtful("run: schoolbell migrate (serve also does it when it starts)", "%s has version %d, this program needs %d", name, s.Version, s.Needed)
	case s.Behind():
		return broken("run: schoolbell migrate", "%s has version %d, this program needs %d", name, s.Version, s.Needed)
	case s.Ahead():
		return broken("run a newer schoolbell on this ledger", "%s has version %d, this program knows %d", name, s.Version, s.Needed)
	}
	return fine("%s, version %d", name, s.Version)
}

// lookAtLedger reads the version of the ledger's schema and changes nothing.
func lookAtLedger(ctx context.Context, cfg *config.Config) (s ledger.Schema, err error) {
	ctx, cancel := context.WithTimeout(ctx, app.LedgerTimeout)
	defer cancel()
	if cfg.Ledger.DatabaseURL == "" {
		s, err = sqlite.SchemaOf(ctx, cfg.SQLitePath())
		if err == nil {
			err = mayWrite(cfg.SQLitePath())
		}
		if err != nil {
			err = app.LedgerUnavailable(&cfg.Core, err)
		}
		return s, err
	}
	l, err := app.OpenLedger(ctx, &cfg.Core)
	if err != nil {
		return s, err
	}
	defer l.Close()
	if s, err = l.Schema(ctx); err != nil {
		err = app.LedgerUnavailable(&cfg.Core, err)
	}
	return s, err
}

func checkRedis(ctx context.Context, cfg *config.Config) Finding {
	if !cfg.Redis.External() {
		return fine("inside the serve process; set REDIS_HOST to run separate workers")
	}
	rdb, err := cfg.Redis.Client()
	if err != nil {
		return broken("check the REDIS settings", "%v", err)
	}
	defer rdb.Close()
	name := cfg.Redis.Name()
	facts, err := app.ProbeRedis(ctx, rdb)
	switch {
	case err != nil:
		return broken(advice.Or(err, app.RedisAdvice(cfg, err)), "%s: %v", name, err)
	case facts.ReadOnly:
		return broken("use the address of the master", "%s is a read-only replica", name)
	}
	if err := app.WriteRedis(ctx, rdb, cfg.KeyPrefix()); err != nil {
		return broken("see the message; if Redis is full, raise its maxmemory", "%s cannot be written: %v", name, err)
	}
	if facts.Evicts() {
		return doubtful(app.EvictionAdvice, "%s, version %s, but maxmemory-policy is %s: it may evict jobs", name, facts.Version, facts.Policy)
	}
	return fine("%s, version %s, writable", name, facts.Version)
}

// checkChannels makes a finding of every channel that has a provider.
func checkChannels(ctx context.Context, cfg *config.Config) (found []Finding) {
	for _, d := range channel.Diagnose(ctx, cfg) {
		f := fine("%s", d.Detail)
		switch {
		case d.Broken:
			f = broken(d.Fix, "%s", d.Detail)
		case d.Fix != "":
			f = doubtful(d.Fix, "%s", d.Detail)
		}
		found = append(found, named(string(d.Channel), f))
	}
	return found
}

const (
	maxSkew       = 2 * time.Second
	firstSaneYear = 2025
)

// checkClock compares this machine's clock with that of Redis, which stands on
// another one.
func checkClock(ctx context.Context, cfg *config.Config) Finding {
	fix := "synchronize the clocks of the machines with NTP"
	now := time.Now()
	if now.Year() < firstSaneYear {
		return broken(fix, "the clock of this machine says %s", now.UTC().Format(time.RFC3339))
	}
	if !cfg.Redis.External() {
		return fine("%s", now.UTC().Format(time.RFC3339))
	}
	rdb, err := cfg.Redis.Client()
	if err != nil {
		return doubtful(fix, "Redis cannot be asked: %v", err)
	}
	defer rdb.Close()
	skew, err := app.RedisSkew(ctx, rdb)
	if err != nil {
		return doubtful("see Redis", "there is no other clock to compare with")
	}
	if skew > maxSkew {
		return doubtful(fix, "the clocks of this machine and of Redis differ by %s", skew.Round(time.Millisecond))
	}
	return fine("%s, the same as on Redis", now.UTC().Format(time.RFC3339))
}

func checkAPI(ctx context.Context, cfg *config.Config) Finding {
	base := cfg.HTTP.LocalURL(cfg.HTTP.Addr)
	body, err := get(ctx, base+"/readyz", ownCertificate(cfg))
	switch {
	case errors.Is(err, certificate.ErrOther):
		return doubtful("see the log of schoolbell serve, or set HTTP_ADDR", "%s: %v", base, certificate.ErrOther)
	case errors.Is(err, syscall.ECONNREFUSED):
		return doubtful("run: schoolbell serve", "nothing listens on %s", cfg.HTTP.Addr)
	case err != nil && body != "":
		return broken("see what it reports about its dependencies", "%s: %v: %s", base, err, oneLine(body, maxQuoted))
	case err != nil:
		return broken("see the log of schoolbell serve, or set HTTP_ADDR", "%s: %s", base, app.Reason(err))
	case !strings.HasPrefix(http.DetectContentType([]byte(body)), "text/"):
		return broken(fmt.Sprintf("set HTTP_ADDR: another program listens on %s", cfg.HTTP.Addr), "%s is not Schoolbell", base)
	}
	return fine("%s is ready", base)
}
