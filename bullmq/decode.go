package bullmq

import (
	"encoding/json"

	"schoolbell/bullmq/internal/wire"
)

// set decodes one field of a job's hash. A damaged field counts as absent, except for the
// payload, whose reader must see the damage.
func (j *Job) set(field, value string) {
	switch field {
	case "name":
		j.Name = value
	case "data":
		j.Data = json.RawMessage(value)
	case "opts":
		j.Options, j.rawOptions = decodeOptions(value), value
	case "timestamp":
		j.Timestamp = wire.FromMillis(wire.ParseInt(value))
	case "delay":
		j.Delay = wire.WholeMillis(value)
	case "priority":
		j.Priority = int(wire.ParseInt(value))
	case "parentKey":
		j.ParentKey = value
	case "rjk":
		j.SchedulerID = value
	case "deid":
		j.DeduplicationID = value
	case "processedOn":
		j.ProcessedOn = wire.FromMillis(wire.ParseInt(value))
	case "finishedOn":
		j.FinishedOn = wire.FromMillis(wire.ParseInt(value))
	case "pb":
		j.ProcessedBy = value
	case "ats":
		j.AttemptsStarted = int(wire.ParseInt(value))
	case "atm":
		j.AttemptsMade = int(wire.ParseInt(value))
	case "stc":
		j.StalledCount = int(wire.ParseInt(value))
	case "progress":
		j.Progress = wire.RawJSON(value)
	case "returnvalue":
		j.ReturnValue = wire.RawJSON(value)
	case "failedReason":
		j.FailedReason = value
	case "stacktrace":
		if json.Unmarshal([]byte(value), &j.StackTrace) != nil {
			j.StackTrace = nil
		}
	case "defa":
		j.DeferredFailure = value
	}
}

func (q *Queue) newJob(id string) *Job {
	return &Job{ID: id, Data: json.RawMessage("{}"), q: q}
}

// jobFromHash decodes what HGETALL returned.
func (q *Queue) jobFromHash(id string, hash map[string]string) *Job {
	j := q.newJob(id)
	for field, value := range hash {
		j.set(field, value)
	}
	return j
}

// jobFromList decodes a hash that a script returned as a flat list.
func (q *Queue) jobFromList(id string, list []any) *Job {
	j := q.newJob(id)
	for i := 0; i+1 < len(list); i += 2 {
		field, _ := list[i].(string)
		value, _ := list[i+1].(string)
		j.set(field, value)
	}
	return j
}
