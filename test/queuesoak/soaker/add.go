package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq"
	"schoolbell/test/queuesoak/soaker/plan"
)

// lanes is how many goroutines of a producer add at the same time, and so share calls.
const lanes = 3

// pace is the longest time between two jobs of a lane.
const pace = 150 * time.Millisecond

// producer adds jobs and prints their results:
//
//	added ID              acknowledged
//	dropped ID            acknowledged that another job stands for it
//	removing ID           is about to be removed
//	removed ID            acknowledged
//	again ID              a call of which nobody knew what became was repeated
type producer struct {
	queues map[string]*bullmq.Queue
}

// add adds jobs until ctx ends, and then ends what it has begun.
func add(ctx context.Context, rdb *redis.Client, name string) error {
	queues, err := openQueues(rdb)
	if err != nil {
		return err
	}
	p := &producer{queues}
	errs := make([]error, lanes)
	var running sync.WaitGroup
	for lane := range lanes {
		running.Go(func() { errs[lane] = p.lane(ctx, fmt.Sprintf("%s-%d", name, lane)) })
	}
	running.Wait()
	return errors.Join(errs...)
}

func (p *producer) lane(ctx context.Context, name string) error {
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(rand.N(pace)):
		}
		if err := p.one(context.WithoutCancel(ctx), plan.Of(fmt.Sprintf("%s-%d", name, n))); err != nil {
			return err
		}
	}
}

// one adds a job, again and again until it is acknowledged.
func (p *producer) one(ctx context.Context, j plan.Job) error {
	dropped := false
	repeated, err := surely(ctx, func() (err error) {
		switch j.Kind {
		case plan.Bulk:
			return p.bulk(ctx, j)
		case plan.Flow, plan.Fatal:
			_, err = bullmq.AddFlow(ctx, p.flow(j))
			return err
		}
		job, err := p.queues[j.Queue].Add(ctx, string(j.Kind), json.RawMessage(j.Data()), j.Options)
		dropped = err == nil && job.ID != j.ID
		return err
	})
	if repeated {
		fmt.Println("again", j.ID)
	}
	if err != nil {
		return fmt.Errorf("add %s: %w", j.ID, err)
	}
	if dropped {
		fmt.Println("dropped", j.ID)
		return nil
	}
	fmt.Println("added", j.ID)
	if j.Kind == plan.Doomed {
		return p.remove(ctx, j)
	}
	return nil
}

// bulk adds the parts of a bulk, all of them again if one of them is in doubt.
func (p *producer) bulk(ctx context.Context, j plan.Job) error {
	specs := map[string][]bullmq.JobSpec{}
	for _, id := range j.Parts {
		part := plan.Of(id)
		specs[part.Queue] = append(specs[part.Queue], bullmq.JobSpec{Name: string(part.Kind), Data: json.RawMessage(part.Data()), Options: part.Options})
	}
	for queue, jobs := range specs {
		if _, err := p.queues[queue].AddBulk(ctx, jobs); err != nil {
			return err
		}
	}
	return nil
}

func (p *producer) flow(j plan.Job) bullmq.FlowJob {
	f := bullmq.FlowJob{Queue: p.queues[j.Queue], Name: string(j.Kind), Data: json.RawMessage(j.Data()), Options: j.Options}
	for _, id := range j.Parts {
		f.Children = append(f.Children, p.flow(plan.Of(id)))
	}
	return f
}

// remove removes a job that is probably still delayed. If it is being run, it stays.
func (p *producer) remove(ctx context.Context, j plan.Job) error {
	<-time.After(rand.N(j.Options.Delay))
	fmt.Println("removing", j.ID)
	_, err := surely(ctx, func() error { return p.queues[j.Queue].Remove(ctx, j.ID, bullmq.RemoveOptions{}) })
	if errors.Is(err, bullmq.ErrJobLocked) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", j.ID, err)
	}
	fmt.Println("removed", j.ID)
	return nil
}
