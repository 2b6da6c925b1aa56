package api

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/wire"
)

// What other programs put into jobs is shown up to these lengths, in characters. A
// page of 500 jobs so stays small, whatever is in them.
const (
	shownInList = 1_000
	shownAlone  = 50_000
	shownTraces = 20 // entries of a stack trace, the newest
)

// shownValue is a JSON value of another program's. One that is too long, or that is
// no JSON in UTF-8, becomes a JSON string of its text, cut at limit.
func shownValue(raw json.RawMessage, limit int) json.RawMessage {
	if len(raw) == 0 {
		return nil
	}
	if len(raw) <= limit && json.Valid(raw) && schoolbell.ValidJSONText(raw) {
		return slices.Clone(raw) // raw may hang on to a larger text
	}
	text, _ := json.Marshal(shownText(string(raw), limit)) // a string always encodes
	return text
}

// shownText is a text of another program's: valid UTF-8, cut at limit.
func shownText(s string, limit int) string {
	if len(s) > 4*limit {
		s = s[:4*limit] // no character has more bytes
	}
	return strings.Clone(shorten(strings.ToValidUTF8(s, "\ufffd"), limit))
}

func shownTexts(list []string, limit int) []string {
	list = list[max(0, len(list)-shownTraces):]
	shown := make([]string, len(list))
	for i, s := range list {
		shown[i] = shownText(s, limit)
	}
	return shown
}

// shownTime leaves out a time that has no form in the API.
func shownTime(t time.Time) wire.Time {
	if !schoolbell.ValidTime(t) {
		return wire.Time{}
	}
	return wire.At(t)
}

// shownJob is a job in state, its texts cut at limit.
func shownJob(j *bullmq.Job, state bullmq.State, limit int) wire.Job {
	return wire.Job{ID: shownText(j.ID, limit), Name: shownText(j.Name, limit), State: wire.JobState(state),
		Data: orNull(shownValue(j.Data, limit)), Progress: shownValue(j.Progress, limit), ReturnValue: shownValue(j.ReturnValue, limit),
		FailedReason: shownText(j.FailedReason, limit), StackTrace: shownTexts(j.StackTrace, limit),
		AttemptsMade: j.AttemptsMade, Attempts: max(1, j.Options.Attempts), Stalled: j.StalledCount, Priority: j.Priority,
		DelayMS: j.Delay.Milliseconds(), Parent: shownText(j.ParentKey, limit), Worker: shownText(j.ProcessedBy, limit),
		CreatedAt: shownTime(j.Timestamp), ProcessedAt: shownTime(j.ProcessedOn), FinishedAt: shownTime(j.FinishedOn)}
}

func orNull(raw json.RawMessage) json.RawMessage {
	if raw == nil {
		return json.RawMessage("null")
	}
	return raw
}

func shownCounts(counts map[bullmq.State]int64) wire.Counts {
	shown := make(wire.Counts, len(counts))
	for state, n := range counts {
		shown[wire.JobState(state)] = n
	}
	return shown
}
