package cli_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	resp "github.com/alicebob/miniredis/v2/server"

	"schoolbell/internal/testenv"
)

// elsewhere is an address that reaches this machine and does not count as it.
const elsewhere = "0.0.0.0"

// record is what a fake server was told.
type record struct {
	mu   sync.Mutex
	said []string
}

func (r *record) add(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, text)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.said, "\n")
}

// fakeRedis answers what answer knows and records all that it is told.
func fakeRedis(t *testing.T, answer func(c *resp.Peer, words []string) bool) (port int, told *record) {
	t.Helper()
	srv, err := resp.NewServer("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	told = &record{}
	srv.SetPreHook(func(c *resp.Peer, command string, args ...string) bool {
		words := append([]string{strings.ToUpper(command)}, args...)
		told.add(strings.Join(words, " "))
		return answer(c, words)
	})
	return srv.Addr().Port, told
}

func TestTLS(t *testing.T) {
	t.Parallel()
	t.Run("a discovered Redis node gets nothing unencrypted", testTLSRedisNodes)
	t.Run("a PostgreSQL that rejects TLS gets no password", testTLSPostgresRejects)
	t.Run("PostgreSQL is used over TLS", testTLSPostgres)
	t.Run("Redis is used over TLS", testTLSRedis)
}

func testTLSRedisNodes(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"Sentinel", "Cluster"} {
		for _, tls := range []string{"", "false"} {
			t.Run(kind+", REDIS_TLS="+tls, func(t *testing.T) {
				t.Parallel()
				port, told := fakeRedis(t, func(*resp.Peer, []string) bool { return false })
				seed, _ := fakeRedis(t, func(c *resp.Peer, words []string) bool { return namesNode(c, words, port) })
				env := bare("DATA_DIR="+t.TempDir(), "REDIS_PASSWORD=hunter2", "REDIS_TLS="+tls, fmt.Sprintf("REDIS_CLUSTER_NODES=127.0.0.1:%d", seed))
				if kind == "Sentinel" {
					env[len(env)-1] = fmt.Sprintf("REDIS_SENTINEL_ADDRS=127.0.0.1:%d", seed)
					env = append(env, "REDIS_SENTINEL_MASTER=m")
				}
				d := inProcess(t, env, "doctor")
				d.exits(1)
				if tls == "false" {
					if !strings.Contains(told.String(), "hunter2") {
						t.Errorf("clear text was asked for, and the node was told %q:\n%s", told, &d.out)
					}
					return
				}
				d.says(fmt.Sprintf(`^fail +Redis +.*0\.0\.0\.0:%d.* would send everything unencrypted to another machine: set REDIS_TLS=true, or REDIS_TLS=false`, port))
				if told.String() != "" {
					t.Errorf("the node was told %q", told)
				}
			})
		}
	}
}

// namesNode answers as a Sentinel and as a Cluster node whose only node is elsewhere.
func namesNode(c *resp.Peer, words []string, port int) bool {
	second := ""
	if len(words) > 1 {
		second = strings.ToLower(words[1])
	}
	switch words[0] + " " + second {
	case "SENTINEL get-master-addr-by-name":
		c.WriteStrings([]string{elsewhere, strconv.Itoa(port)})
	case "SENTINEL sentinels", "SENTINEL replicas":
		c.WriteLen(0)
	case "CLUSTER slots":
		c.WriteLen(1)
		c.WriteLen(3)
		c.WriteInt(0)
		c.WriteInt(16383)
		c.WriteLen(2)
		c.WriteBulk(elsewhere)
		c.WriteInt(port)
	default:
		if words[0] == "AUTH" || words[0] == "CLIENT" {
			c.WriteOK()
			return true
		}
		return false
	}
	return true
}

// clearPostgres is a PostgreSQL that refuses TLS and then asks for the password.
func clearPostgres(t *testing.T) (port int, told *record) {
	t.Helper()
	told = &record{}
	return serveConns(t, func(conn net.Conn) { refuseTLS(conn, told) }), told
}

// refuseTLS speaks the beginning of PostgreSQL's protocol and records what comes after
// the request for TLS.
func refuseTLS(conn net.Conn, told *record) {
	const sslRequest = 80877103
	for {
		var head [8]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		body := make([]byte, min(binary.BigEndian.Uint32(head[:4]), 10_000)-8)
		if _, err := io.ReadFull(conn, body); err != nil {
			return
		}
		if binary.BigEndian.Uint32(head[4:]) != sslRequest {
			told.add(string(body))
			break
		}
		if _, err := conn.Write([]byte("N")); err != nil {
			return
		}
	}
	if _, err := conn.Write([]byte{'R', 0, 0, 0, 8, 0, 0, 0, 3}); err != nil { // asks for the password
		return
	}
	var head [5]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return
	}
	password := make([]byte, min(binary.BigEndian.Uint32(head[1:]), 10_000)-4)
	if _, err := io.ReadFull(conn, password); err == nil {
		told.add(string(password))
	}
}

func testTLSPostgresRejects(t *testing.T) {
	t.Parallel()
	for mode, query := range map[string]string{"no mode": "", "verify-full": "?sslmode=verify-full", "require": "?sslmode=require", "prefer": "?sslmode=prefer"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			port, told := clearPostgres(t)
			url := fmt.Sprintf("postgres://school:hunter2@%s:%d/school%s", elsewhere, port, query)
			d := inProcess(t, bare("DATABASE_URL="+url), "doctor")
			d.exits(1)
			if mode == "prefer" {
				if !strings.Contains(told.String(), "hunter2") {
					t.Errorf("clear text was asked for, and the server was told %q", told)
				}
				return
			}
			d.says(`^fail +ledger +.*refused TLS`)
			d.says(`→ enable TLS in PostgreSQL, or add sslmode=disable to DATABASE_URL if the network is private`)
			if told.String() != "" {
				t.Errorf("the server was told %q", told)
			}
			serve := inProcess(t, bare("DATABASE_URL="+url), "serve")
			serve.says("refused TLS")
			serve.exits(1)
		})
	}
}

func testTLSPostgres(t *testing.T) {
	t.Parallel()
	authority, stranger := testenv.NewAuthority(t), testenv.NewAuthority(t)
	cert, key := authority.Issue(elsewhere)
	server := testenv.PostgresServer(t, testenv.PostgresOptions{Cert: cert, Key: key})
	url, _, _ := strings.Cut(strings.Replace(server.Database(), "127.0.0.1", elsewhere, 1), "?")
	for name, query := range map[string]string{"without an sslmode": "?", "asked for": "?sslmode=verify-full&"} {
		r := inProcess(t, bare("DATABASE_URL="+url+query+"sslrootcert="+authority.CAFile), "migrate")
		r.exits(0)
		d := inProcess(t, bare("DATABASE_URL="+url+query+"sslrootcert="+authority.CAFile), "doctor")
		d.exits(0)
		d.says(`^ok +ledger +PostgreSQL 0\.0\.0\.0`)
		c := inProcess(t, bare("DATABASE_URL="+url+query+"sslrootcert="+authority.CAFile), "config")
		c.exits(0)
		c.says(`^Ledger +PostgreSQL 0\.0\.0\.0`)
		for _, refused := range []string{query + "sslrootcert=" + stranger.CAFile, query} {
			d := inProcess(t, bare("DATABASE_URL="+url+refused), "doctor")
			d.exits(1)
			d.says(`^fail +ledger +.*certificate`)
			d.says(`→ add sslrootcert=FILE to DATABASE_URL`)
		}
		if t.Failed() {
			t.Fatal(name)
		}
	}
	elsehost := strings.Replace(url, elsewhere, "127.0.0.1", 1)
	d := inProcess(t, bare("DATABASE_URL="+elsehost+"?sslmode=verify-full&sslrootcert="+authority.CAFile), "doctor")
	d.exits(1) // the certificate is for another host
	d.says(`^fail +ledger +.*certificate`)
}

func testTLSRedis(t *testing.T) {
	t.Parallel()
	authority, stranger := testenv.NewAuthority(t), testenv.NewAuthority(t)
	cert, key := authority.Issue("127.0.0.1", elsewhere)
	port := strconv.Itoa(testenv.FreePort(t))
	server := testenv.RedisServer(t, testenv.RedisOptions{Args: []string{
		"--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", authority.CAFile, "--tls-auth-clients", "no",
	}})
	for name, settings := range map[string][]string{
		"asked for":          {"REDIS_TLS=true", "REDIS_HOST=127.0.0.1", "REDIS_PORT=" + port},
		"on another machine": {"REDIS_HOST=" + elsewhere, "REDIS_PORT=" + port},
		"by its URL":         {"REDIS_URL=rediss://" + elsewhere + ":" + port},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := bare(append(settings, "DATA_DIR="+t.TempDir(), catchAll)...)
			trusting := append(slices.Clone(env), "REDIS_TLS_CA="+authority.CAFile)
			c := inProcess(t, trusting, "config")
			c.exits(0)
			c.says(`REDIS_TLS_CA +env +` + authority.CAFile)
			d := inProcess(t, trusting, "doctor")
			d.exits(0)
			d.says(`^ok +Redis .*writable$|^warn +Redis `)
			system := spawn(t, append(slices.Clone(env), "SSL_CERT_FILE="+authority.CAFile), "doctor")
			system.exits(0)
			if plain := strings.TrimPrefix(server.Addr, "127.0.0.1:"); name == "on another machine" {
				d := inProcess(t, append(slices.Clone(env), "REDIS_PORT="+plain), "doctor")
				d.exits(1)
				d.says(`→ start Redis, or use its TLS port; set REDIS_TLS=false`)
			}
			for _, untrusted := range [][]string{env, append(slices.Clone(env), "REDIS_TLS_CA="+stranger.CAFile)} {
				d := inProcess(t, untrusted, "doctor")
				d.exits(1)
				d.says(`^fail +Redis .*certificate`)
				d.says(`→ set REDIS_TLS_CA`)
			}
		})
	}
}
