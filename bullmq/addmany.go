package bullmq

import (
	"context"

	"schoolbell/bullmq/internal/combine"
)

// flushAdds adds the plain jobs of several callers by one call.
func (q *Queue) flushAdds(ctx context.Context, additions []*addition) {
	reply, err := q.run(ctx, scriptAddMany, q.addManyArgs(additions)...)
	spread(additions, reply, err)
}

func (q *Queue) addManyArgs(additions []*addition) []any {
	args := make([]any, 0, 3+8*len(additions))
	args = append(args, q.mode, q.opts.MaxEvents, len(additions))
	for _, a := range additions {
		args = append(args, a.args...)
	}
	return args
}

// spread gives each job its part of a call's reply.
func spread(additions []*addition, reply any, err error) {
	replies, _ := reply.([]any)
	for i, a := range additions {
		switch {
		case err != nil:
			a.err = err
		case i < len(replies):
			a.reply = replies[i]
		}
	}
}

// addAll adds jobs in their order in one pipeline: plain ones that follow one
// another by one call, others by one each.
func (q *Queue) addAll(ctx context.Context, additions []*addition) {
	var groups [][]*addition
	var calls []scriptCall
	for rest := additions; len(rest) > 0; {
		n := 1
		call := scriptCall{scriptAdd, rest[0].args}
		if rest[0].plain {
			for size := rest[0].size; n < len(rest) && rest[n].plain && combine.Fits(n, size, rest[n].size); n++ {
				size += rest[n].size
			}
			call = scriptCall{scriptAddMany, q.addManyArgs(rest[:n])}
		}
		groups, calls = append(groups, rest[:n]), append(calls, call)
		rest = rest[n:]
	}
	replies, errs := runPipeline(ctx, q.rdb, q.keys.p, calls)
	for i, group := range groups {
		if group[0].plain {
			spread(group, replies[i], errs[i])
		} else {
			group[0].reply, group[0].err = replies[i], errs[i]
		}
	}
}
