package bullmq

import (
	"context"
	"slices"

	"github.com/redis/go-redis/v9"
)

// Jobs reads jobs of the given states (none means all) from position start to
// end (inclusive, -1 is the last) of each, newest first or, with asc, oldest
// first. Ids without a job, and jobs that vanish while they are read, are left out. If
// start and end are not negative, jobs from beyond end take their places, as in BullMQ: a
// page with fewer jobs than asked for is a state's last one, save where very many in a
// row are missing. A job that has moved up this way is in the next page too.
func (q *Queue) Jobs(ctx context.Context, states []State, start, end int64, asc bool) ([]*Job, error) {
	if len(states) == 0 {
		states = allStates
	}
	pages, err := q.pages(states, start, end)
	if err != nil {
		return nil, err
	}
	open := slices.Clone(pages)
	for round := 0; round < maxPageReads && len(open) > 0; round++ {
		if err := q.readPages(ctx, open, asc); err != nil {
			return nil, err
		}
		open = slices.DeleteFunc(open, func(p *page) bool { return p.done })
	}
	var jobs []*Job
	seen := map[string]bool{} // a job in two places is an accident; it is shown once
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

// maxPageReads is how often a page is read on to fill its gaps, as in BullMQ.
const maxPageReads = 5

// page is a part of a place, with the jobs found so far.
type page struct {
	place
	start, end int64 // of the next read
	size       int64 // how many jobs it has when it is full, 0 for what is read at once
	jobs       []*Job
	done       bool
}

func (q *Queue) pages(states []State, start, end int64) ([]*page, error) {
	var pages []*page
	for _, s := range states {
		places, err := q.places(s)
		if err != nil {
			return nil, err
		}
		for _, p := range places {
			size := end - start + 1
			if start < 0 || end < 0 || size < 0 {
				size = 0
			}
			pages = append(pages, &page{place: p, start: start, end: end, size: size})
		}
	}
	return pages, nil
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
			found[i] = append(found[i], hashes.HGetAll(ctx, q.keys.job(id)))
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
