package bench

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"testing"
	"time"

	"schoolbell/internal/testenv"
)

// How far away servers are in other places, as round trips.
const (
	otherZone  = 2 * time.Millisecond  // PostgreSQL and Redis in another zone of a data center
	mailServer = 30 * time.Millisecond // a provider in another city
)

// distances are what measureDistance compares. All people are reached in-app and by email.
var distances = []struct {
	name         string
	servers      time.Duration // of PostgreSQL and Redis
	mail         time.Duration
	workers      int
	env          []string
	singleEvents bool // measure events to one person too
}{
	{name: "no distance, one worker", workers: 1, singleEvents: true},
	{name: "2 ms to PostgreSQL and Redis, one worker", servers: otherZone, workers: 1, singleEvents: true},
	{name: "2 ms to PostgreSQL and Redis, two workers", servers: otherZone, workers: 2},
	{name: "the same and 30 ms to the mail server, one worker", servers: otherZone, mail: mailServer, workers: 1},
	{name: "the same with EMAIL_CONNECTIONS=100", servers: otherZone, mail: mailServer, workers: 1, env: []string{"EMAIL_CONNECTIONS=100", "WORKER_CONCURRENCY=100"}},
}

// measureDistance runs the system with servers that are further away than loopback.
func measureDistance(b *testing.B, srv *servers, out *report) {
	n := sizeUpTo(b, *some)
	for _, d := range distances {
		fmt.Fprintf(os.Stderr, "distance: %s\n", d.name)
		sink := testenv.SMTPSink(b)
		mail := distantSink(b, sink, d.mail)
		env := append(distantRedis(b, srv, d.servers), d.env...)
		far := distant(b, srv.postgresHost(b), d.servers)
		var rates, singles []float64
		for range *rounds {
			s := startSchoolbell(b, srv, setup{people: n, workers: d.workers, sink: mail, env: env, far: far})
			rates = append(rates, s.reach(b, srv, audience{}).rate())
			if d.singleEvents {
				singles = append(singles, s.singles(b, srv, *events/4).rate())
			} else {
				s.stop()
			}
		}
		out.add(line{measure: fmt.Sprintf("%s people, %s: people/s", count(n), d.name), ours: median(rates)})
		if d.singleEvents {
			out.add(line{measure: fmt.Sprintf("one-person events, %s: events/s", d.name), ours: median(singles)})
		}
	}
}

// distantRedis are the settings by which the program reaches Redis over a distance.
func distantRedis(b testing.TB, srv *servers, roundTrip time.Duration) []string {
	b.Helper()
	host, port, err := net.SplitHostPort(distant(b, srv.redis.Options().Addr, roundTrip))
	if err != nil {
		b.Fatal(err)
	}
	return []string{"REDIS_HOST=" + host, "REDIS_PORT=" + port}
}

// distantSink is the sink at the end of a distance.
func distantSink(b testing.TB, sink *testenv.Sink, roundTrip time.Duration) *testenv.Sink {
	b.Helper()
	far := *sink
	host, port, err := net.SplitHostPort(distant(b, sink.Addr, roundTrip))
	if err != nil {
		b.Fatal(err)
	}
	far.Host = host
	if far.Port, err = strconv.Atoi(port); err != nil {
		b.Fatal(err)
	}
	return &far
}

// clusterPrefix has a hash tag, so that all queues are on one node of the Cluster.
const clusterPrefix = "{school}"

// measureCluster runs three workers on a Redis Cluster, beside three on one Redis.
func measureCluster(b *testing.B, srv *servers, out *report) {
	n := sizeUpTo(b, *some)
	nodes := testenv.RedisCluster(b)
	var addrs []string
	for _, node := range nodes {
		addrs = append(addrs, node.Addr)
	}
	master, err := testenv.ClusterClient(b, nodes).MasterForKey(b.Context(), clusterPrefix)
	if err != nil {
		b.Fatal(err)
	}
	clustered := &servers{redis: master, prefix: clusterPrefix, nodes: addrs, postgres: srv.postgres}
	var one, many []float64
	for round := range *rounds {
		fmt.Fprintf(os.Stderr, "Redis Cluster, round %d of %d\n", round+1, *rounds)
		s := startSchoolbell(b, srv, setup{people: n, workers: 3, sink: testenv.SMTPSink(b)})
		one = append(one, s.reach(b, srv, audience{}).rate())
		s.stop()
		s = startSchoolbell(b, clustered, setup{people: n, workers: 3, sink: testenv.SMTPSink(b)})
		many = append(many, s.reach(b, clustered, audience{}).rate())
		s.stop()
	}
	out.add(line{measure: count(n) + " people, three workers, one Redis: people/s", ours: median(one)})
	out.add(line{measure: count(n) + " people, three workers, Redis Cluster: people/s", ours: median(many)})
}

// postgresHost is the address of PostgreSQL.
func (s *servers) postgresHost(b testing.TB) string {
	b.Helper()
	at, err := url.Parse(s.postgres.Database())
	if err != nil {
		b.Fatal(err)
	}
	return at.Host
}
