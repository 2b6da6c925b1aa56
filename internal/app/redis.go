package app

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"schoolbell/internal/advice"
	"schoolbell/internal/config"
	"schoolbell/internal/redisdial"
)

// RedisTimeout is how long one probe of Redis may take.
const RedisTimeout = 3 * time.Second

const (
	redisPause    = time.Second      // between attempts to reach it
	redisReminder = 30 * time.Second // between log lines that say it is still unavailable
)

// oldestRedis is the first version that has every command the queues use.
var oldestRedis = [2]int{6, 2}

// RedisFacts are what a Redis server says about itself.
type RedisFacts struct {
	Version  string
	Policy   string // maxmemory-policy; empty where the server does not tell
	ReadOnly bool   // a replica, which takes no writes
}

// unusableError is a Redis that answers and that waiting does not make usable.
type unusableError struct{ err error }

func (e *unusableError) Error() string { return e.err.Error() }
func (e *unusableError) Unwrap() error { return e.err }

// Unusable reports whether err says that Redis answers and that waiting does not make it usable.
func Unusable(err error) bool { return errors.As(err, new(*unusableError)) }

// ProbeRedis asks the server what it is. An error that is not [Unusable] means that
// it cannot be reached now.
func ProbeRedis(ctx context.Context, rdb redis.UniversalClient) (RedisFacts, error) {
	ctx, cancel := context.WithTimeout(ctx, RedisTimeout)
	defer cancel()
	info, err := rdb.Info(ctx, "server", "replication").Result()
	switch {
	case redis.IsAuthError(err) || redis.IsPermissionError(err):
		return RedisFacts{}, advice.Add(&unusableError{fmt.Errorf("it rejects the login: %w", err)}, "check REDIS_PASSWORD and REDIS_USERNAME, or the password in REDIS_URL")
	case err != nil:
		return RedisFacts{}, err
	}
	fields := infoFields(info)
	f := RedisFacts{Version: fields["redis_version"], ReadOnly: fields["role"] == "slave"}
	if v := fields["valkey_version"]; v != "" {
		f.Version = "Valkey " + v
	}
	if old(fields["redis_version"]) {
		return f, advice.Add(&unusableError{fmt.Errorf("it is version %s", f.Version)}, "use Redis %d.%d or Valkey 7.2, or newer", oldestRedis[0], oldestRedis[1])
	}
	// Managed servers often forbid CONFIG; then the policy stays unknown.
	if m, err := rdb.ConfigGet(ctx, "maxmemory-policy").Result(); err == nil {
		f.Policy = m["maxmemory-policy"]
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

// WriteRedis writes and removes a key under the prefix of the queues.
func WriteRedis(ctx context.Context, rdb redis.UniversalClient, prefix string) error {
	ctx, cancel := context.WithTimeout(ctx, RedisTimeout)
	defer cancel()
	key := prefix + ":doctor:" + uuid.NewString()
	if err := rdb.Set(ctx, key, "ok", time.Minute).Err(); err != nil {
		return err
	}
	return rdb.Del(ctx, key).Err()
}

// RedisSkew returns how far the clocks of this machine and of Redis are apart.
func RedisSkew(ctx context.Context, rdb redis.UniversalClient) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, RedisTimeout)
	defer cancel()
	theirs, err := rdb.Time(ctx).Result()
	if err != nil {
		return 0, err
	}
	return time.Since(theirs).Abs(), nil
}

// Evicts reports whether the server may evict jobs when its memory is full.
func (f RedisFacts) Evicts() bool { return f.Policy != "" && f.Policy != "noeviction" }

// EvictionAdvice says what to do about a Redis that evicts keys.
const EvictionAdvice = "set maxmemory-policy noeviction on the Redis server"

// RedisAdvice says what to do about a Redis that cannot be reached.
func RedisAdvice(cfg *config.Config, err error) string {
	_, badCert := errors.AsType[*tls.CertificateVerificationError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case errors.Is(err, redisdial.ErrInClear):
		return "set REDIS_TLS"
	case badCert:
		return "set REDIS_TLS_CA=FILE for a private certificate authority (PEM), and use the host name of the certificate"
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

// AwaitRedis tries until the server answers. It calls waiting after the first failure
// and then every 30 seconds. It gives up when ctx ends or the server is [Unusable].
func AwaitRedis(ctx context.Context, rdb redis.UniversalClient, waiting func(err error)) (RedisFacts, error) {
	var said time.Time
	for {
		f, err := ProbeRedis(ctx, rdb)
		if err == nil || Unusable(err) {
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

// MuteRedis drops what the Redis client would print about connections that come
// and go: the services that use it report outages. The client has one
// logger for the whole process, and setting it twice at a time would be a race.
var MuteRedis = sync.OnceFunc(func() { redis.SetLogger(mute{}) })

type mute struct{}

// Printf implements the client's logging interface.
func (mute) Printf(context.Context, string, ...any) {}
