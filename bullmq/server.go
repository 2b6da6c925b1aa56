package bullmq

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"schoolbell/bullmq/internal/wire"

	"github.com/redis/go-redis/v9"
)

// minServer is the oldest Redis with all the commands that the scripts use.
var minServer = [2]int{6, 2}

// ServerInfo is what a server reports about itself that matters for queues.
type ServerInfo struct {
	// Version is the version of Redis, or the one that a compatible server reports. It is
	// empty if the server reports none.
	Version string
	// Replica is whether the server is a replica of another one.
	Replica bool
	// EvictionPolicy is what the server does when its memory is full. Any policy other than
	// "noeviction" may lose jobs.
	EvictionPolicy string
	// Warnings are sentences for the operator. There are none if the server is suitable.
	Warnings []string
}

// CheckServer checks whether the server that holds the queue is suitable. It changes
// nothing. A server that does not report its version counts as suitable. With
// [ErrServerTooOld] and [ErrServerReadOnly] the information is returned too.
func (q *Queue) CheckServer(ctx context.Context) (*ServerInfo, error) {
	node, err := q.server(ctx)
	if err != nil {
		return nil, wrapRead(ctx, "the server's state", err)
	}
	text, err := node.Info(ctx).Result()
	if err != nil {
		askForNodes(ctx, q.rdb, err)
		return nil, wrapRead(ctx, "the server's state", err)
	}
	info, err := parseServerInfo(text)
	if !errors.Is(err, ErrServerTooOld) {
		q.serverKnown.Store(true)
	}
	return info, err
}

// server returns the server that holds the queue's keys.
func (q *Queue) server(ctx context.Context) (redis.UniversalClient, error) {
	if c, ok := q.rdb.(*redis.ClusterClient); ok {
		return c.MasterForKey(ctx, q.keys.Meta())
	}
	return q.rdb, nil
}

// parseServerInfo reads the reply to INFO.
func parseServerInfo(text string) (*ServerInfo, error) {
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	info := &ServerInfo{
		Version: fields["redis_version"], Replica: fields["role"] == "slave", EvictionPolicy: fields["maxmemory_policy"],
	}
	if info.EvictionPolicy != "" && info.EvictionPolicy != "noeviction" {
		info.Warnings = append(info.Warnings,
			fmt.Sprintf("eviction policy is %s: jobs may be lost when memory is full; set maxmemory-policy to noeviction", info.EvictionPolicy))
	}
	if older(info.Version) {
		return info, fmt.Errorf("%w: %s, the oldest that will do is %d.%d", ErrServerTooOld, info.Version, minServer[0], minServer[1])
	}
	if info.Replica && fields["slave_read_only"] != "0" {
		return info, ErrServerReadOnly
	}
	return info, nil
}

func older(version string) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	m, err := strconv.Atoi(major)
	if err != nil {
		return false
	}
	n, _ := strconv.Atoi(minor)
	return m < minServer[0] || (m == minServer[0] && n < minServer[1])
}

// WorkerInfo is a running worker, of this package or of BullMQ, as the server reports it.
type WorkerInfo struct {
	// Name is the worker's name, empty if it has none.
	Name string
	// Addr is the address that its connection comes from.
	Addr string
	// ConnectionID is the server's number for the connection.
	ConnectionID int64
	// Age is how long the connection exists, Idle how long it has sent nothing, in whole
	// seconds.
	Age, Idle time.Duration
}

// Workers lists the workers of the queue. Each worker is found by the name of the
// connection on which it waits for jobs. A server that does not list its clients is an
// error.
func (q *Queue) Workers(ctx context.Context) ([]WorkerInfo, error) {
	node, err := q.server(ctx)
	if err != nil {
		return nil, wrapRead(ctx, "workers", err)
	}
	text, err := node.ClientList(ctx).Result()
	if err != nil {
		askForNodes(ctx, q.rdb, err)
		return nil, wrapRead(ctx, "workers", err)
	}
	return workersIn(text, clientName(q.opts.Prefix, q.name, "")), nil
}

// workersIn finds the workers of a queue in the reply of CLIENT LIST.
func workersIn(text, base string) (workers []WorkerInfo) {
	for line := range strings.Lines(text) {
		fields := map[string]string{}
		for _, field := range strings.Fields(line) {
			name, value, _ := strings.Cut(field, "=")
			fields[name] = value
		}
		name, named := strings.CutPrefix(fields["name"], base+":w:")
		if !named && fields["name"] != base {
			continue
		}
		if !named {
			name = ""
		}
		seconds := func(field string) time.Duration { return time.Duration(wire.ParseInt(fields[field])) * time.Second }
		workers = append(workers, WorkerInfo{
			Name: name, Addr: fields["addr"], ConnectionID: wire.ParseInt(fields["id"]), Age: seconds("age"), Idle: seconds("idle"),
		})
	}
	return workers
}

// clientName returns the connection name by which BullMQ finds a queue's workers.
func clientName(prefix, queue, worker string) string {
	name := prefix + ":" + base64.StdEncoding.EncodeToString([]byte(queue))
	if worker != "" {
		name += ":w:" + worker
	}
	return name
}

// checkTime is how long a worker waits for the server's information at most.
const checkTime = 2 * time.Second
