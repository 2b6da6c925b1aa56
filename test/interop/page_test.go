package interop

import (
	"fmt"
	"testing"
	"time"

	"schoolbell/bullmq"
)

// A page is filled with the jobs after it where some of its own are gone.
func TestJobPages(t *testing.T) {
	withBothMajors(t, func(r *rig) {
		q := r.queue("q")
		for i := range 9 {
			r.add(q, "n", nil, bullmq.JobOptions{ID: fmt.Sprint("waits-", i)})
			r.add(q, "n", nil, bullmq.JobOptions{ID: fmt.Sprint("late-", i), Delay: time.Hour + time.Duration(i)*time.Minute})
			r.add(q, "n", nil, bullmq.JobOptions{ID: fmt.Sprint("ranked-", i), Priority: 1 + i})
		}
		for _, i := range []int{0, 2, 3, 4, 5, 8} {
			for _, name := range []string{"waits-", "late-", "ranked-"} {
				r.ok(r.rdb.Del(r.Context(), r.key("q", fmt.Sprint(name, i))).Err())
			}
		}
		for _, states := range [][]string{{"waiting"}, {"delayed"}, {"prioritized"}, {"waiting", "delayed"}} {
			for _, page := range [][2]int64{{0, 0}, {0, 1}, {0, 2}, {0, 4}, {2, 3}, {4, 8}, {7, 9}, {9, 12}, {0, -1}, {2, -1}} {
				for _, asc := range []bool{true, false} {
					var theirs []string
					r.node.do(&theirs, `return (await $.queue('q').getJobs(args[0], args[1], args[2], args[3])).map((job) => job.id)`, states, page[0], page[1], asc)
					wanted := make([]bullmq.State, len(states))
					for i, s := range states {
						wanted[i] = bullmq.State(s)
					}
					opts := bullmq.JobsOptions{States: wanted, Offset: page[0], OldestFirst: asc}
					if page[1] >= 0 {
						opts.Limit = page[1] - page[0] + 1
					}
					jobs, err := q.Jobs(r.Context(), opts)
					r.ok(err)
					ours := []string{}
					for _, job := range jobs {
						ours = append(ours, job.ID)
					}
					r.same(fmt.Sprintf("%v from %d to %d, ascending %t", states, page[0], page[1], asc), ours, theirs)
				}
			}
		}
		r.node.quiet()
	})
}
