package bullmq

import (
	"context"

	"schoolbell/bullmq/internal/script"
)

// flushAdds adds the plain jobs of several callers by one call.
func (q *Queue) flushAdds(ctx context.Context, additions []*addition) {
	added, err := run(ctx, q, q.addMany(additions))
	spread(additions, added, err)
}

func (q *Queue) addMany(additions []*addition) script.AddMany {
	jobs := make([]*script.Job, len(additions))
	for i, a := range additions {
		jobs[i] = &a.stored
	}
	return script.AddMany{Mode: q.mode, MaxEvents: q.opts.MaxEvents, Jobs: jobs}
}

// spread gives each job its part of a call's reply.
func spread(additions []*addition, added []script.Added, err error) {
	for i, a := range additions {
		switch {
		case err != nil:
			a.err = err
		case i < len(added):
			a.added = added[i]
		}
	}
}

// addAll adds jobs in their order in one pipeline: consecutive plain ones by one call, others by
// one call each.
func (q *Queue) addAll(ctx context.Context, additions []*addition) {
	var groups [][]*addition
	var calls []script.Call
	for rest := additions; len(rest) > 0; {
		n := 1
		var call script.Call
		if rest[0].plain() {
			for size := rest[0].size(); n < len(rest) && rest[n].plain() && callLimits.Fits(n, size, rest[n].size()); n++ {
				size += rest[n].size()
			}
			call = q.addMany(rest[:n]).Call()
		} else {
			call = rest[0].script().Call()
		}
		groups, calls = append(groups, rest[:n]), append(calls, call)
		rest = rest[n:]
	}
	replies, errs := runPipeline(ctx, q, calls)
	for i, group := range groups {
		if group[0].plain() {
			spread(group, script.AddMany{}.Reply(replies[i]), errs[i])
		} else {
			group[0].added, group[0].err = script.Add{}.Reply(replies[i]), errs[i]
		}
	}
}
