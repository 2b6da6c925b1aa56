// Package script holds the Lua scripts of the queue, each of which is one atomic change, and
// one Go type for each that names its arguments and reads its reply.
package script

import (
	"crypto/sha1"
	"embed"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"sync"
)

//go:embed lua/*.lua lua/include/*.lua
var files embed.FS

// Source is a script, composed from its file and what that includes.
type Source struct {
	name string
	load func() (text, sha string)
}

func newSource(name string) *Source {
	return &Source{name: name, load: sync.OnceValues(func() (string, string) {
		text := compose(name)
		sum := sha1.Sum([]byte(text))
		return text, hex.EncodeToString(sum[:])
	})}
}

// Name is the script's name: that of its file without the extension.
func (s *Source) Name() string { return s.name }

// compose assembles a script: each line "--@include name" is replaced by the file of that
// name, the first time it is met. An indented one is within a function: what it includes is
// known only there, so it is included again where it is needed outside. Whole-line comments
// are left out.
func compose(name string) string {
	var b strings.Builder
	var add func(path string, seen map[string]bool)
	add = func(path string, seen map[string]bool) {
		text, err := files.ReadFile(path)
		if err != nil {
			panic(fmt.Sprintf("bullmq: script %v", err)) // the files are embedded
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimRight(line, "\n")
			include, ok := strings.CutPrefix(strings.TrimSpace(line), "--@include ")
			scope := seen
			if ok && strings.HasPrefix(line, " ") {
				scope = maps.Clone(seen)
			}
			switch {
			case ok && !scope[include]:
				scope[include] = true
				add("lua/include/"+include+".lua", scope)
			case !strings.HasPrefix(strings.TrimSpace(line), "--"):
				b.WriteString(line + "\n")
			}
		}
	}
	add("lua/"+name+".lua", map[string]bool{})
	return b.String()
}

var (
	add                = newSource("add")
	addFlow            = newSource("add_flow")
	addMany            = newSource("add_many")
	changeDelay        = newSource("change_delay")
	changePriority     = newSource("change_priority")
	clean              = newSource("clean")
	delay              = newSource("delay")
	drain              = newSource("drain")
	extendLocks        = newSource("extend_locks")
	fetch              = newSource("fetch")
	finish             = newSource("finish")
	freeDedup          = newSource("free_dedup")
	handBack           = newSource("hand_back")
	leaveParent        = newSource("leave_parent")
	limitTTL           = newSource("limit_ttl")
	log                = newSource("log")
	moveAll            = newSource("move_all")
	nextIteration      = newSource("next_iteration")
	nextRepeatable     = newSource("next_repeatable")
	nudge              = newSource("nudge")
	obliterate         = newSource("obliterate")
	orphans            = newSource("orphans")
	pause              = newSource("pause")
	progress           = newSource("progress")
	promote            = newSource("promote")
	reclaim            = newSource("reclaim")
	refund             = newSource("refund")
	remove             = newSource("remove")
	removeOpenChildren = newSource("remove_open_children")
	removeScheduler    = newSource("remove_scheduler")
	renameDamaged      = newSource("rename_damaged")
	requeue            = newSource("requeue")
	resume             = newSource("resume")
	retry              = newSource("retry")
	stalled            = newSource("stalled")
	state              = newSource("state")
	updateData         = newSource("update_data")
	upsertScheduler    = newSource("upsert_scheduler")
	waitChildren       = newSource("wait_children")
)
