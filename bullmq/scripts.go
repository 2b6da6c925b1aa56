package bullmq

import (
	"context"
	"crypto/sha1"
	"embed"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

//go:embed script/*.lua script/include/*.lua
var scriptFiles embed.FS

// script is one atomic change, composed from its file and what that includes.
type script struct {
	name string
	load func() (src, sha string)
}

func newScript(name string) *script {
	return &script{name: name, load: sync.OnceValues(func() (string, string) {
		src := compose(name)
		sum := sha1.Sum([]byte(src))
		return src, hex.EncodeToString(sum[:])
	})}
}

var (
	scriptAdd            = newScript("add")
	scriptAddFlow        = newScript("add_flow")
	scriptAddMany        = newScript("add_many")
	scriptChangeDelay    = newScript("change_delay")
	scriptChangePriority = newScript("change_priority")
	scriptClean          = newScript("clean")
	scriptDelay          = newScript("delay")
	scriptDrain          = newScript("drain")
	scriptDropScheduler  = newScript("remove_scheduler")
	scriptExtendLocks    = newScript("extend_locks")
	scriptFetch          = newScript("fetch")
	scriptFreeDedup      = newScript("free_dedup")
	scriptFinish         = newScript("finish")
	scriptHandBack       = newScript("hand_back")
	scriptLimitTTL       = newScript("limit_ttl")
	scriptLog            = newScript("log")
	scriptMoveAll        = newScript("move_all")
	scriptNextIteration  = newScript("next_iteration")
	scriptNextRepeatable = newScript("next_repeatable")
	scriptNudge          = newScript("nudge")
	scriptObliterate     = newScript("obliterate")
	scriptOrphans        = newScript("orphans")
	scriptPause          = newScript("pause")
	scriptProgress       = newScript("progress")
	scriptPromote        = newScript("promote")
	scriptReclaim        = newScript("reclaim")
	scriptRefund         = newScript("refund")
	scriptRemoveOpen     = newScript("remove_open_children")
	scriptLeaveParent    = newScript("leave_parent")
	scriptRemove         = newScript("remove")
	scriptRenameDamaged  = newScript("rename_damaged")
	scriptRequeue        = newScript("requeue")
	scriptResume         = newScript("resume")
	scriptRetry          = newScript("retry")
	scriptStalled        = newScript("stalled")
	scriptState          = newScript("state")
	scriptUpdateData     = newScript("update_data")
	scriptUpsert         = newScript("upsert_scheduler")
	scriptWaitChildren   = newScript("wait_children")
)

// compose puts a script together: each line "--@include name" stands for the
// file of that name, which is taken in once, before what needs it.
func compose(name string) string {
	var b strings.Builder
	seen := map[string]bool{}
	var add func(path string)
	add = func(path string) {
		text, err := scriptFiles.ReadFile(path)
		if err != nil {
			panic(fmt.Sprintf("bullmq: %v", err)) // the files are embedded
		}
		for line := range strings.Lines(string(text)) {
			include, ok := strings.CutPrefix(line, "--@include ")
			switch {
			case ok:
				if include = strings.TrimSpace(include); !seen[include] {
					seen[include] = true
					add("script/include/" + include + ".lua")
				}
			case !strings.HasPrefix(strings.TrimSpace(line), "--"):
				b.WriteString(line)
			}
		}
	}
	add("script/" + name + ".lua")
	return b.String()
}

// scriptCmd is a script call that go-redis must not send again by itself: when
// a connection breaks, the script may have run.
type scriptCmd struct{ *redis.Cmd }

// NoRetry tells go-redis to leave retrying to us.
func (scriptCmd) NoRetry() bool { return true }

// command calls s on a queue by its hash.
func (s *script) command(ctx context.Context, prefix string, args []any) scriptCmd {
	_, sha := s.load()
	return newScriptCmd(ctx, "evalsha", sha, prefix, args)
}

// fullCommand calls s by its text, after which its hash is known.
func (s *script) fullCommand(ctx context.Context, prefix string, args []any) scriptCmd {
	src, _ := s.load()
	return newScriptCmd(ctx, "eval", src, prefix, args)
}

func newScriptCmd(ctx context.Context, verb, text, prefix string, args []any) scriptCmd {
	all := make([]any, 0, 4+len(args))
	all = append(all, verb, text, "1", prefix)
	all = append(all, args...)
	cmd := redis.NewCmd(ctx, all...)
	cmd.SetFirstKeyPos(3)
	return scriptCmd{cmd}
}

func isNoScript(err error) bool { return redis.HasErrorPrefix(err, "NOSCRIPT") }

// run calls a script; a server that does not know it is given its text.
func (s *script) run(ctx context.Context, rdb redis.UniversalClient, prefix string, args ...any) (any, error) {
	cmd := s.command(ctx, prefix, args)
	err := rdb.Process(ctx, cmd)
	if isNoScript(err) {
		cmd = s.fullCommand(ctx, prefix, args)
		err = rdb.Process(ctx, cmd)
	}
	if err != nil && err != redis.Nil {
		askForNodes(ctx, rdb, err)
		return nil, s.failed(ctx, err)
	}
	return cmd.Val(), nil
}

// askForNodes has a Cluster's client ask anew where the masters are when one of them is
// away. By itself it would do so only after a redirection, which a node that is gone
// does not send, or after a minute.
func askForNodes(ctx context.Context, rdb redis.UniversalClient, err error) {
	if c, cluster := rdb.(*redis.ClusterClient); cluster && isPassing(err) {
		c.ReloadState(ctx)
	}
}

// failed says which script Redis did not run.
func (s *script) failed(ctx context.Context, err error) error {
	return fmt.Errorf("bullmq: run script %s: %w", s.name, classified(ctx, err))
}

// scriptCall is a script with its arguments.
type scriptCall struct {
	script *script
	args   []any
}

// runPipeline calls scripts in one pipeline. It returns each call's reply or error.
func runPipeline(ctx context.Context, rdb redis.UniversalClient, prefix string, calls []scriptCall) ([]any, []error) {
	cmds := make([]scriptCmd, len(calls))
	all := make([]int, len(calls))
	for i := range calls {
		all[i] = i
	}
	exec := func(which []int, full bool) {
		pipe := rdb.Pipeline()
		given := map[*script]bool{}
		for _, i := range which {
			c := calls[i]
			if full && !given[c.script] {
				given[c.script] = true
				cmds[i] = c.script.fullCommand(ctx, prefix, c.args)
			} else {
				cmds[i] = c.script.command(ctx, prefix, c.args)
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
			askForNodes(ctx, rdb, err)
			errs[i] = calls[i].script.failed(ctx, err)
		}
	}
	return replies, errs
}
