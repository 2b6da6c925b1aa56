package fault

import (
	"fmt"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

const (
	digestPeople = 120
	digestRounds = 2
)

// Processes die at each step of closings. Each item is in one digest, which everybody gets.
func TestDigestKilled(t *testing.T) {
	t.Parallel()
	system.OnBothEngines(t, func(t *testing.T, parts system.Parts) {
		mail := system.NewMailKeeping(t, 10*digestPeople)
		parts.SMTP = mail.Addr()
		d := &dyingDigests{School: system.New(t, parts), t: t, mail: mail, locks: &locks{t: t, database: parts.Database}}
		d.start()
		d.Import(digestPeople)
		for i := range digestPeople {
			d.WantDigest(system.Person(i), schoolbell.CategoryAnnouncement)
		}
		var titles []string
		for round := range digestRounds {
			for _, name := range []string{"a", "b"} {
				key := fmt.Sprintf("%d%s", round, name)
				id := d.CreateSurelyWith(wire.NewEvent{Channels: []schoolbell.Channel{schoolbell.ChannelEmail},
					Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}}}, key)
				d.AwaitStatus(id, schoolbell.EventCompleted)
				titles = append(titles, "Event "+key)
			}
			d.kill()
			d.CloseDigests()
			d.dieInTransaction()
			d.dieOnceMade(round + 1)
			d.dieWhileSending()
			d.start()
			d.AwaitDigests(round + 1)
		}
		d.kill()
		d.start() // for the API
		d.wantEachOnce(titles)
		d.kill()
	})
}

// dyingDigests is a school whose processes die.
type dyingDigests struct {
	*system.School
	t       *testing.T
	mail    *system.Mail
	locks   *locks
	running []*system.Process
}

func (d *dyingDigests) start() {
	d.t.Helper()
	d.ForgetDuty()
	d.running = d.StartProcesses()
}

func (d *dyingDigests) kill() {
	d.t.Helper()
	for _, p := range d.running {
		p.Kill()
	}
	d.running = nil
}

// dieInTransaction kills the process that makes a digest before it can commit that. Nothing can hold up a transaction on
// SQLite but one that holds up the start of the program too.
func (d *dyingDigests) dieInTransaction() {
	d.t.Helper()
	if d.locks.database == "" {
		d.start()
		d.kill() // wherever it is
		return
	}
	d.locks.take("SELECT 1 FROM digest_items FOR UPDATE")
	d.start()
	testenv.Eventually(d.t, promise, d.locks.waitedFor, "a process makes a digest")
	d.kill()
	d.locks.release()
	d.locks.take("LOCK TABLE digest_items") // not before the transaction has ended
	d.locks.release()
	if n := d.openItems(); n != 2*digestPeople {
		d.t.Errorf("%d items are open after the process has died", n)
	}
}

func (d *dyingDigests) openItems() int {
	d.t.Helper()
	return d.Ledger.Count("SELECT count(*) FROM digest_items WHERE digest_seq IS NULL")
}

// dieOnceMade kills all processes as soon as the nth digest is in the ledger.
func (d *dyingDigests) dieOnceMade(n int) {
	d.t.Helper()
	d.mail.HoldAfter(0)
	d.start()
	testenv.Eventually(d.t, promise, func() bool { return d.Ledger.Count("SELECT count(*) FROM events WHERE digest") == n }, "digest %d is made", n)
	d.kill()
	d.mail.Release()
	if n := d.openItems(); n != 0 {
		d.t.Errorf("%d items are open after the digest was made", n)
	}
}

// dieWhileSending kills all processes after some people have got their digest.
func (d *dyingDigests) dieWhileSending() {
	d.t.Helper()
	d.mail.HoldAfter(digestPeople / 4)
	d.start()
	testenv.Eventually(d.t, promise, func() bool { return d.mail.Held() > 0 }, "some digests are being sent")
	d.kill()
	d.mail.Release()
}

// wantEachOnce expects that each person has got each event in one digest, and that only rows which say that they are uncertain
// were sent twice, as the same message.
func (d *dyingDigests) wantEachOnce(titles []string) {
	d.t.Helper()
	got := map[string]map[string]string{} // Message-ID by title, by person
	emails := map[string]int{}            // by Message-ID
	for _, e := range d.mail.Emails() {
		if got[e.User] == nil {
			got[e.User] = map[string]string{}
		}
		emails[e.MessageID]++
		for _, title := range titles {
			n := strings.Count(e.Text, "\n\n"+title+"\n")
			if known := got[e.User][title]; n > 1 || n == 1 && known != "" && known != e.MessageID {
				d.t.Errorf("%s has got %s %d times in %s, and in %s", e.User, title, n, e.MessageID, known)
			}
			if n == 1 {
				got[e.User][title] = e.MessageID
			}
		}
	}
	for i := range digestPeople {
		if n := len(got[system.Person(i)]); n != len(titles) {
			d.t.Errorf("%s has got %d of %d events: %v", system.Person(i), n, len(titles), got[system.Person(i)])
		}
	}
	if len(emails) != digestRounds*digestPeople {
		d.t.Errorf("%d different messages to %d people in %d digests", len(emails), digestPeople, digestRounds)
	}
	d.wantRepeatsMarked()
}

// wantRepeatsMarked expects that the rows of all people whose digest was sent twice are uncertain.
func (d *dyingDigests) wantRepeatsMarked() {
	d.t.Helper()
	repeated := 0
	for _, digest := range d.AwaitDigests(digestRounds) {
		emails := map[string]int{}
		for _, l := range d.mail.Letters(digest.ID) {
			emails[l.User]++
		}
		page, err := d.Client.Deliveries(d.t.Context(), digest.ID, schoolbell.DeliveryFilter{}, client.Page{Limit: 200})
		if err != nil || len(page.Deliveries) != digestPeople {
			d.t.Fatalf("%d rows: %v", len(page.Deliveries), err)
		}
		for _, row := range page.Deliveries {
			n := emails[row.UserID]
			if row.Status != schoolbell.DeliverySent && row.Status != schoolbell.DeliveryUncertain || n > 1 && row.Status == schoolbell.DeliverySent {
				d.t.Errorf("%s has got a digest %d times, and the row says %s", row.UserID, n, row.Status)
			}
			if n > 1 {
				repeated++
			}
		}
	}
	if repeated == 0 {
		d.t.Error("nothing was being sent when the processes died")
	}
	d.t.Logf("%d people, %d digests; %d messages were sent twice", digestPeople, digestRounds, repeated)
}
