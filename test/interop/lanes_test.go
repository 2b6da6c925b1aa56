package interop

import (
	"fmt"
	"testing"

	"schoolbell/internal/testenv"
)

// TestLaneQueues has a worker of BullMQ complete the jobs that Schoolbell has put into the queues of both
// lanes. Schoolbell, which trusts only its ledger, then delivers what Node did not.
func TestLaneQueues(t *testing.T) {
	t.Parallel()
	const people, batches = 15, 2
	sink := testenv.SMTPSink(t)
	s := startProgram(t, sink)
	s.people(people)
	lanes := map[string]string{"": "announcement", ".urgent": "urgent"} // by the suffix of their queues, a category
	events := map[string]string{}
	for suffix, category := range lanes {
		s.cli(nil, "", "queue", "pause", mailQueue+suffix)
		var made struct{ ID string }
		s.cli(&made, "", "event", "create", "--json", "--title", "Fire", "--body", "Leave.", "--role", "parent", "--category", category)
		events[suffix] = made.ID
		s.settles(eventQueue+suffix, map[string]int64{"waiting-children": 1})
		s.settles(mailQueue+suffix, map[string]int64{"prioritized": batches})
	}
	s.stop()
	for suffix := range lanes {
		var ran []struct {
			Queue string
			Data  struct {
				EventID string `json:"event_id"`
				Channel string
				Seq     int
			}
		}
		s.node.do(&ran, `const ran = [];
			const processor = async (job) => { ran.push({ queue: job.queueName, data: job.data }); return 'by Node'; };
			await $.queue(args[0]).resume();
			for (const queue of args) await $.workOff(queue, processor);
			return ran;`, mailQueue+suffix, eventQueue+suffix)
		got := fmt.Sprint(ran)
		want := fmt.Sprintf("[{%[1]s {%[3]s email 1}} {%[1]s {%[3]s email 2}} {%[2]s {%[3]s  0}}]", mailQueue+suffix, eventQueue+suffix, events[suffix])
		if got != want {
			t.Errorf("Node ran %s, want %s", got, want)
		}
		s.settles(mailQueue+suffix, map[string]int64{"completed": batches, "prioritized": 0})
		s.settles(eventQueue+suffix, map[string]int64{"completed": 1, "waiting-children": 0, "prioritized": 0})
	}
	if n := sink.Count(); n != 0 {
		t.Errorf("%d emails were sent while Node ran the jobs", n)
	}
	s.run()
	testenv.Eventually(t, patience, func() error {
		if n := sink.Count(); n != len(lanes)*people {
			return fmt.Errorf("%d emails", n)
		}
		return nil
	}, "everybody gets both emails")
	s.node.quiet()
}
