package embedded

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/alicebob/miniredis/v2/server"
)

// likeVersion is the Redis whose behaviour the server is held to by its tests.
const likeVersion = "7.0.15"

// administer answers the commands about the server and its clients that
// miniredis knows too little of. It reports false for all others.
func (r *Redis) administer(p *server.Peer, c *client, cmd string, args []string) bool {
	switch cmd {
	case "INFO":
		p.WriteBulk(r.info(args))
		return true
	case "CLIENT":
		return len(args) > 0 && r.aboutClient(p, c, strings.ToUpper(args[0]))
	}
	return false
}

func (r *Redis) aboutClient(p *server.Peer, c *client, sub string) bool {
	switch sub {
	case "ID":
		p.WriteInt(int(c.id))
	case "SETINFO":
		p.WriteOK()
	case "LIST":
		p.WriteBulk(r.clientList())
	default:
		return false
	}
	return true
}

func (r *Redis) clientList() string {
	r.mini.Lock() // names are written under miniredis's lock
	defer r.mini.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	type entry struct {
		id   int64
		name string
	}
	list := make([]entry, 0, len(r.clients))
	for p, c := range r.clients {
		list = append(list, entry{c.id, p.ClientName})
	}
	slices.SortFunc(list, func(a, b entry) int { return cmp.Compare(a.id, b.id) })
	var b strings.Builder
	for _, e := range list {
		fmt.Fprintf(&b, "id=%d addr=127.0.0.1:0 laddr=127.0.0.1:0 name=%s\n", e.id, e.name)
	}
	return b.String()
}

// info is INFO [section ...]: the sections that clients look at.
func (r *Redis) info(wanted []string) string {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	sections := []struct{ name, body string }{
		{"Server", fmt.Sprintf("redis_version:%s\r\nredis_mode:standalone\r\nprocess_id:%d\r\ntcp_port:0\r\n", likeVersion, os.Getpid())},
		{"Clients", fmt.Sprintf("connected_clients:%d\r\n", r.srv.ClientsLen())},
		{"Memory", fmt.Sprintf("used_memory:%d\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n", mem.HeapAlloc)},
		{"Persistence", "loading:0\r\naof_enabled:0\r\n"},
		{"Stats", fmt.Sprintf("total_connections_received:%d\r\ntotal_commands_processed:%d\r\n", r.srv.TotalConnections(), r.srv.TotalCommands())},
		{"Replication", "role:master\r\nconnected_slaves:0\r\n"},
	}
	every := len(wanted) == 0
	for i, w := range wanted {
		wanted[i] = strings.ToLower(w)
		every = every || slices.Contains([]string{"all", "default", "everything"}, wanted[i])
	}
	var b strings.Builder
	for _, s := range sections {
		if every || slices.Contains(wanted, strings.ToLower(s.name)) {
			fmt.Fprintf(&b, "# %s\r\n%s\r\n", s.name, s.body)
		}
	}
	return b.String()
}

// config is CONFIG GET pattern [pattern ...].
func (r *Redis) config(p *server.Peer, _ string, args []string) {
	if len(args) < 2 || !strings.EqualFold(args[0], "GET") {
		p.WriteError("ERR only CONFIG GET is supported by the in-process redis")
		return
	}
	settings := [][2]string{
		{"appendonly", "no"},
		{"databases", strconv.Itoa(16)},
		{"maxmemory", "0"},
		{"maxmemory-policy", "noeviction"},
		{"save", ""},
	}
	var found [][2]string
	for _, s := range settings {
		if slices.ContainsFunc(args[1:], func(pattern string) bool {
			ok, err := path.Match(strings.ToLower(pattern), s[0])
			return ok && err == nil
		}) {
			found = append(found, s)
		}
	}
	p.Block(func(w *server.Writer) {
		w.WriteMapLen(len(found))
		for _, s := range found {
			w.WriteBulk(s[0])
			w.WriteBulk(s[1])
		}
	})
}
