package fault

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

// families are people whose data a hostile mail server repeats, each in the
// answer at one place.
var families = []schoolbell.User{
	{ID: "p1", Roles: []schoolbell.Role{schoolbell.RoleParent}, Name: "Wilhelmina Featherstone", Email: "Wilhelmina.F@family.example", Phone: "+447700900101"},
	{ID: "p2", Roles: []schoolbell.Role{schoolbell.RoleParent}, Name: "Cornelius Quackenbush", Email: "c.quackenbush@family.example", Phone: "+447700900102"},
	{ID: "p3", Roles: []schoolbell.Role{schoolbell.RoleParent}, Name: "Philomena Ravenscroft", Email: "p.o'ravenscroft@family.example", Phone: "+447700900103"},
	{ID: "p4", Roles: []schoolbell.Role{schoolbell.RoleParent}, Name: "Barnaby Thistlewood", Email: "barnaby+school@family.example", Phone: "+447700900104"},
	{ID: "p5", Roles: []schoolbell.Role{schoolbell.RoleParent}, Name: "Ottoline Grimshaw", Email: "ottoline@family.example", Phone: "+447700900105"},
}

// personal are the words that must be nowhere, in lower case.
var personal = []string{
	"wilhelmina", "featherstone", "cornelius", "quackenbush", "philomena", "ravenscroft", "barnaby", "thistlewood", "ottoline", "grimshaw",
	"family.example", "900101", "900102", "900103", "900104", "900105",
}

// Whatever a mail server repeats of the people it is to reach is neither in
// Redis nor in the log nor in the metrics, and not in the ledger once they are removed.
func TestPrivacy(t *testing.T) {
	t.Parallel()
	for _, ledger := range []string{"SQLite", "PostgreSQL"} {
		t.Run(ledger, func(t *testing.T) {
			t.Parallel()
			addr := testenv.Redis(t)
			parts := system.Parts{Redis: addr, SMTP: parrot(t), Settings: []string{"LOG_LEVEL=debug", "JOB_RETRIES=1", "JOB_BACKOFF=100ms"}}
			if ledger == "PostgreSQL" {
				parts.Database = testenv.Postgres(t)
			}
			s := system.New(t, parts)
			api, worker := s.Serve(), s.Worker("one")
			for _, u := range families {
				if _, _, err := s.Client.PutUser(t.Context(), u); err != nil {
					t.Fatal(err)
				}
			}
			id := s.Create().ID
			testenv.Eventually(t, 90*time.Second, func() error {
				ev, err := s.Client.Event(t.Context(), id)
				if err != nil {
					return err
				}
				if p := ev.Progress.Channels[schoolbell.ChannelEmail]; p.Sent != 1 || p.Failed != 2 || p.Uncertain != 1 {
					return fmt.Errorf("%+v", p)
				}
				return nil
			}, "each mail has met its answer")
			deliveries, err := s.Client.Deliveries(t.Context(), id, schoolbell.DeliveryFilter{}, client.Page{})
			if err != nil {
				t.Fatal(err)
			}
			holdsNothing(t, "the list of deliveries", fmt.Sprint(deliveries.Deliveries))
			holdsNothing(t, "Redis", system.DumpRedis(t, addr))
			holdsNothing(t, "the metrics", fetch(t, s.URL+"/metrics"))
			for _, u := range families {
				if err := s.Client.DeleteUser(t.Context(), u.ID); err != nil {
					t.Fatal(err)
				}
			}
			holdsNothing(t, "the ledger after the people were removed", s.Ledger.Dump())
			worker.Stop()
			api.Stop()
			holdsNothing(t, "Redis", system.DumpRedis(t, addr))
			holdsNothing(t, "the log", api.Output()+worker.Output())
		})
	}
}

// holdsNothing reports the lines of text that have something personal in them.
func holdsNothing(t *testing.T, where, text string) {
	t.Helper()
	if len(text) == 0 {
		t.Errorf("%s is empty", where)
	}
	shown := 0
	for line := range strings.Lines(text) {
		low := strings.ToLower(line)
		for _, word := range personal {
			if i := strings.Index(low, word); i >= 0 && shown < 5 {
				shown++
				t.Errorf("%s has %q: …%s…", where, word, low[max(0, i-80):min(len(low), i+60)])
				break
			}
		}
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+system.Key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// parrot returns the address of a mail server that repeats all it knows of the
// person in every answer: it refuses the first of families for good, the second
// for now, takes the mail of the third, loses the answer to the fourth and
// wants rest at the fifth.
func parrot(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { repeat(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// repeat speaks SMTP on one connection.
func repeat(conn net.Conn) {
	defer conn.Close()
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(conn, format+"\r\n", args...) }
	say("220 mail for %s", families[4].Email)
	who := -1
	for commands := bufio.NewScanner(conn); commands.Scan(); {
		line := commands.Text()
		about := ""
		if who >= 0 {
			about = knownOf(families[who])
		}
		switch verb, _, _ := strings.Cut(strings.ToUpper(line), " "); {
		case verb == "RCPT":
			if who = addressee(line); who < 0 {
				say("553 who is %s", line)
				continue
			}
			about = knownOf(families[who])
			switch who {
			case 0:
				say("550 5.1.1 %s does not live here", about)
			case 1:
				say("450-4.2.1 %s\r\n450 4.2.1 is busy %s", about, about)
			case 4:
				say("421 4.3.2 %s gets too much", about)
				return
			default:
				say("250 2.1.5 %s", about)
			}
		case verb == "DATA" && (who == 2 || who == 3):
			say("354 go on, %s", about)
			for commands.Scan() && commands.Text() != "." {
			}
			if who == 3 {
				return
			}
			say("250 2.0.0 taken for %s", about)
		case verb == "DATA":
			say("503 5.5.1 %s", about)
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 %s", about)
		}
	}
}

func addressee(line string) int {
	for i, u := range families {
		if strings.Contains(strings.ToLower(line), strings.ToLower(u.Email)) {
			return i
		}
	}
	return -1
}

// knownOf is all that the server knows of a person.
func knownOf(u schoolbell.User) string {
	local, domain, _ := strings.Cut(u.Email, "@")
	surname := u.Name[strings.LastIndexByte(u.Name, ' ')+1:]
	return fmt.Sprintf("<%s> %s %s %s %s=%s@list.example %s %s", u.Email, strings.ToUpper(u.Email), u.Name, strings.ToUpper(surname), local, domain, u.Phone, local)
}
