package script

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Call is a script with its arguments.
type Call struct {
	Source *Source
	Args   []any
}

// command is a script call that go-redis must not resend: when a connection
// breaks, the script may have run.
type command struct{ *redis.Cmd }

// NoRetry tells go-redis to leave retrying to the caller.
func (command) NoRetry() bool { return true }

// bySHA calls a script by its hash.
func (c Call) bySHA(ctx context.Context, prefix string) command {
	_, sha := c.Source.load()
	return newCommand(ctx, "evalsha", sha, prefix, c.Args)
}

// byText calls a script by its text, after which the server knows its hash.
func (c Call) byText(ctx context.Context, prefix string) command {
	text, _ := c.Source.load()
	return newCommand(ctx, "eval", text, prefix, c.Args)
}

func newCommand(ctx context.Context, verb, text, prefix string, args []any) command {
	all := make([]any, 0, 4+len(args))
	all = append(all, verb, text, "1", prefix)
	all = append(all, args...)
	cmd := redis.NewCmd(ctx, all...)
	cmd.SetFirstKeyPos(3)
	return command{cmd}
}

func isNoScript(err error) bool { return redis.HasErrorPrefix(err, "NOSCRIPT") }

// Run calls a script on the queue whose keys begin with prefix and returns its reply, nil for
// none. A server that does not know the script is given its text.
func (c Call) Run(ctx context.Context, rdb redis.UniversalClient, prefix string) (any, error) {
	cmd := c.bySHA(ctx, prefix)
	err := rdb.Process(ctx, cmd)
	if isNoScript(err) {
		cmd = c.byText(ctx, prefix)
		err = rdb.Process(ctx, cmd)
	}
	if err != nil && err != redis.Nil {
		return nil, err
	}
	return cmd.Val(), nil
}

// RunPipeline calls scripts in one pipeline. It returns each call's reply or error.
func RunPipeline(ctx context.Context, rdb redis.UniversalClient, prefix string, calls []Call) ([]any, []error) {
	cmds := make([]command, len(calls))
	all := make([]int, len(calls))
	for i := range calls {
		all[i] = i
	}
	exec := func(which []int, byText bool) {
		pipe := rdb.Pipeline()
		sent := map[*Source]bool{} // by their texts
		for _, i := range which {
			c := calls[i]
			if byText && !sent[c.Source] {
				sent[c.Source] = true
				cmds[i] = c.byText(ctx, prefix)
			} else {
				cmds[i] = c.bySHA(ctx, prefix)
			}
			_ = pipe.Process(ctx, cmds[i]) // queues it
		}
		_, _ = pipe.Exec(ctx) // each command has its own error
	}
	exec(all, false)
	var unknown []int
	for i, cmd := range cmds {
		if isNoScript(cmd.Err()) {
			unknown = append(unknown, i)
		}
	}
	if len(unknown) > 0 {
		exec(unknown, true)
	}

	replies, errs := make([]any, len(calls)), make([]error, len(calls))
	for i, cmd := range cmds {
		replies[i] = cmd.Val()
		if err := cmd.Err(); err != nil && err != redis.Nil {
			errs[i] = err
		}
	}
	return replies, errs
}
