package cli

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/internal/config"
	"schoolbell/internal/redisdial"
)

const (
	redisTimeout  = 3 * time.Second  // for a server that does not answer
	redisPause    = time.Second      // between tries to reach it
	redisReminder = 30 * time.Second // between lines that say it is still away
)

// oldestRedis is the first version that has every command the queues use.
var oldestRedis = [2]int{6, 2}

// redisFacts are what a Redis says of itself.
type redisFacts struct {
	version  string
	policy   string // maxmemory-policy; empty where the server does not tell
	readOnly bool   // a replica, which takes no writes
}

// unfitError is a Redis that answers and that no waiting makes usable.
type unfitError struct{ err error }

func (e *unfitError) Error() string { return e.err.Error() }
func (e *unfitError) Unwrap() error { return e.err }

func unfit(err error) bool { return errors.As(err, new(*unfitError)) }

// probeRedis asks the server what it is. An error that is not unfit means that
// it cannot be reached now.
func probeRedis(ctx context.Context, rdb redis.UniversalClient) (redisFacts, error) {
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	info, err := rdb.Info(ctx, "server", "replication").Result()
	switch {
	case redis.IsAuthError(err) || redis.IsPermissionError(err):
		return redisFacts{}, advise(&unfitError{fmt.Errorf("it refuses our login: %w", err)}, "check REDIS_PASSWORD and REDIS_USERNAME, or the password in REDIS_URL")
	case err != nil:
		return redisFacts{}, err
	}
	fields := infoFields(info)
	f := redisFacts{version: fields["redis_version"], readOnly: fields["role"] == "slave"}
	if v := fields["valkey_version"]; v != "" {
		f.version = "Valkey " + v
	}
	if old(fields["redis_version"]) {
		return f, advise(&unfitError{fmt.Errorf("it is version %s", f.version)}, "Redis %d.%d or Valkey 7.2 is needed, or newer", oldestRedis[0], oldestRedis[1])
	}
	// Managed servers often forbid CONFIG; then the policy stays unknown.
	if m, err := rdb.ConfigGet(ctx, "maxmemory-policy").Result(); err == nil {
		f.policy = m["maxmemory-policy"]
	}
	return f, nil
}

// checkWritable asks whether the server takes changes, and changes nothing: it sets a
// key that is never there on the condition that it is. A server with a full disk or no
// memory answers PING and refuses this.
func checkWritable(ctx context.Context, rdb redis.UniversalClient, prefix string) error {
	err := rdb.SetXX(ctx, prefix+":readiness", "", time.Minute).Err()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}

// evicts says that the server may throw jobs away when its memory is full.
func (f redisFacts) evicts() bool { return f.policy != "" && f.policy != "noeviction" }

const evictionAdvice = "set maxmemory-policy noeviction on the Redis server"

// redisAdvice says what to do about a Redis that cannot be reached.
func redisAdvice(cfg *config.Config, err error) string {
	_, badCert := errors.AsType[*tls.CertificateVerificationError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case errors.Is(err, redisdial.ErrInClear):
		return "set REDIS_TLS"
	case badCert:
		return "set REDIS_TLS_CA=FILE for an authority of your own (PEM), and use the host name of the certificate"
	case noTLS, cfg.Redis.TLS && errors.Is(err, context.DeadlineExceeded): // a Redis without TLS waits for more
		return "start Redis, or use its TLS port; set REDIS_TLS=false if it has no TLS and the network is private"
	}
	return "start Redis, or check REDIS_HOST and REDIS_PORT"
}

func infoFields(info string) map[string]string {
	fields := map[string]string{}
	for s := bufio.NewScanner(strings.NewReader(info)); s.Scan(); {
		if name, text, ok := strings.Cut(s.Text(), ":"); ok {
			fields[name] = strings.TrimSpace(text)
		}
	}
	return fields
}

// old tells whether a version is below the oldest one that works. What cannot be
// read is not held against the server.
func old(version string) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	if err1 != nil || err2 != nil {
		return false
	}
	return major < oldestRedis[0] || major == oldestRedis[0] && minor < oldestRedis[1]
}

// awaitRedis tries until the server answers, saying so at first and every now
// and then. It gives up when ctx ends or the server answers and is unfit.
func awaitRedis(ctx context.Context, rdb redis.UniversalClient, waiting func(err error)) (redisFacts, error) {
	var said time.Time
	for {
		f, err := probeRedis(ctx, rdb)
		if err == nil || unfit(err) {
			return f, err
		}
		if ctx.Err() != nil {
			return f, ctx.Err()
		}
		if time.Since(said) > redisReminder {
			waiting(err)
			said = time.Now()
		}
		select {
		case <-ctx.Done():
			return f, ctx.Err()
		case <-time.After(redisPause):
		}
	}
}
