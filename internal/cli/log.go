package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/redis/go-redis/v9"

	"schoolbell/internal/config"
)

// newLogger returns the logger that the settings ask for; it writes to w.
func newLogger(w io.Writer, cfg *config.Config) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.General.LogLevel)); err != nil {
		panic(fmt.Sprintf("cli: the log level was checked before: %v", err))
	}
	o := &slog.HandlerOptions{Level: level}
	if cfg.General.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// muteRedis drops what the Redis client would print by itself about connections
// that come and go: the parts that use it report outages. The client has one
// logger for the whole process, and setting it twice at a time would be a race.
var muteRedis = sync.OnceFunc(func() { redis.SetLogger(mute{}) })

type mute struct{}

// Printf implements the client's logging interface.
func (mute) Printf(context.Context, string, ...any) {}
