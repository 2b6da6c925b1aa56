package bullmq

import (
	"context"
	"slices"

	"github.com/redis/go-redis/v9"
)

// JobsOptions select jobs. The zero value selects all, newest first.
type JobsOptions struct {
	// States are the states of the jobs. None means all except StatePaused.
	States []State
	// Offset is how many jobs of each state are skipped.
	Offset int64
	// Limit is how many jobs of each state are read at most. 0 means all.
	Limit int64
	// OldestFirst reads the jobs in the order in which they run or have finished, not in
	// the reverse order.
	OldestFirst bool
}

// Jobs reads a page of the jobs of each state, one state after the other. Ids without a job,
// and jobs that are removed during the call, are left out. With a Limit, jobs after the page
// fill the gaps, as in BullMQ: a page with fewer jobs than Limit is a state's last one, unless
// very many in a row are missing. A job that filled a gap is also on the next page. To read
// many jobs without holding all of them in memory, use [Queue.AllJobs].
func (q *Queue) Jobs(ctx context.Context, opts JobsOptions) ([]*Job, error) {
	pages, err := q.pages(opts)
	if err != nil {
		return nil, err
	}
	open := slices.Clone(pages)
	for round := 0; round < maxPageReads && len(open) > 0; round++ {
		if err := q.readPages(ctx, open, opts.OldestFirst); err != nil {
			return nil, err
		}
		open = slices.DeleteFunc(open, func(p *page) bool { return p.done })
	}
	var jobs []*Job
	seen := map[string]bool{} // a job in two places is an error; it is returned once
	for _, p := range pages {
		for _, job := range p.jobs {
			if !seen[job.ID] {
				seen[job.ID] = true
				jobs = append(jobs, job)
			}
		}
	}
	return jobs, nil
}

// maxPageReads is how often a page is read further to fill its gaps, as in BullMQ.
const maxPageReads = 5

// page is a part of a place, with the jobs found so far.
type page struct {
	place
	start, end int64 // of the next read
	size       int64 // how many jobs a full page has, 0 for one that is read at once
	jobs       []*Job
	done       bool
}

func (q *Queue) pages(opts JobsOptions) ([]*page, error) {
	end, err := lastPosition(opts.Offset, opts.Limit)
	if err != nil {
		return nil, err
	}
	places, err := q.placesOf(opts.States)
	var pages []*page
	for _, p := range places {
		pages = append(pages, &page{place: p, start: opts.Offset, end: end, size: opts.Limit})
	}
	return pages, err
}

// placesOf returns the places of the given states, of all for none.
func (q *Queue) placesOf(states []State) (all []place, err error) {
	if len(states) == 0 {
		states = allStates
	}
	for _, s := range states {
		places, err := q.places(s)
		if err != nil {
			return nil, err
		}
		all = append(all, places...)
	}
	return all, nil
}

// readPages reads the next ids of each page, at one moment, and their jobs.
func (q *Queue) readPages(ctx context.Context, pages []*page, asc bool) error {
	pipe := q.rdb.TxPipeline()
	ranges := make([]*redis.StringSliceCmd, len(pages))
	for i, p := range pages {
		ranges[i] = p.read(ctx, pipe, p.start, p.end, asc)
	}
	if err := exec(ctx, pipe); err != nil {
		return wrapRead(ctx, "ids", err)
	}
	hashes := q.rdb.Pipeline()
	found := make([][]*redis.MapStringStringCmd, len(pages))
	for i, r := range ranges {
		if pages[i].list && asc {
			slices.Reverse(r.Val())
		}
		for _, id := range r.Val() {
			found[i] = append(found[i], hashes.HGetAll(ctx, q.keys.Job(id)))
		}
	}
	cmds, _ := hashes.Exec(ctx) // each command has its own error
	if err := readError(cmds); err != nil {
		return wrapRead(ctx, "jobs", err)
	}
	for i, p := range pages {
		p.take(q, ranges[i].Val(), found[i])
	}
	return nil
}

// take adds the jobs that were found to a page, as long as it has room.
func (p *page) take(q *Queue, ids []string, hashes []*redis.MapStringStringCmd) {
	for i, id := range ids {
		if p.size > 0 && int64(len(p.jobs)) == p.size {
			break
		}
		if hash := hashes[i].Val(); len(hash) > 0 {
			p.jobs = append(p.jobs, q.jobFromHash(id, hash))
		}
	}
	read := int64(len(ids))
	p.done = p.size == 0 || read < p.size || int64(len(p.jobs)) == p.size
	p.start += read
	p.end += read
}
