package bullmqotel

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"schoolbell/bullmq"
)

// The attributes of BullMQ's telemetry.
const (
	queueName       = attribute.Key("bullmq.queue.name")
	queueOperation  = attribute.Key("bullmq.queue.operation")
	bulkCount       = attribute.Key("bullmq.job.bulk.count")
	bulkNames       = attribute.Key("bullmq.job.bulk.names")
	jobName         = attribute.Key("bullmq.job.name")
	jobID           = attribute.Key("bullmq.job.id")
	jobSchedulerID  = attribute.Key("bullmq.job.scheduler.id")
	jobAttemptsMade = attribute.Key("bullmq.job.attempts.made")
	jobProcessed    = attribute.Key("bullmq.job.processed.timestamp")
	jobFinished     = attribute.Key("bullmq.job.attempt_finished_timestamp")
	jobFinished5    = attribute.Key("bullmq.job.finished.timestamp") // the same in BullMQ 5, which has both
	jobResult       = attribute.Key("bullmq.job.result")
	jobFailedReason = attribute.Key("bullmq.job.failed.reason")
	flowName        = attribute.Key("bullmq.flow.name")
	workerID        = attribute.Key("bullmq.worker.id")
	workerName      = attribute.Key("bullmq.worker.name")
)

// The names of a run's events.
const (
	eventCompleted = "job completed"
	eventFailed    = "job failed"
)

func spanName(s bullmq.Span) string {
	switch s.Operation {
	case bullmq.SpanAdd:
		return string(s.Operation) + " " + s.Queue + "." + s.JobName
	case bullmq.SpanAddFlows:
		return string(s.Operation) // they may have several queues
	}
	return string(s.Operation) + " " + s.Queue
}

func kind(op bullmq.SpanOperation) trace.SpanKind {
	switch op {
	case bullmq.SpanAdd, bullmq.SpanAddBulk, bullmq.SpanAddFlow, bullmq.SpanAddFlows, bullmq.SpanAddNode:
		return trace.SpanKindProducer
	case bullmq.SpanProcess:
		return trace.SpanKindConsumer
	}
	return trace.SpanKindInternal
}

// attributes returns the attributes that are known when a span starts.
func attributes(s bullmq.Span) []attribute.KeyValue {
	list := make([]attribute.KeyValue, 0, 8)
	list = append(list, queueName.String(s.Queue), queueOperation.String(string(s.Operation)))
	switch s.Operation {
	case bullmq.SpanAddBulk:
		return append(list, bulkCount.Int(s.Jobs), bulkNames.StringSlice(s.JobNames))
	case bullmq.SpanAddFlows: // here Node joins the names
		return append(list, bulkCount.Int(s.Jobs), bulkNames.String(strings.Join(s.JobNames, ",")))
	case bullmq.SpanAddFlow:
		return append(list, flowName.String(s.JobName))
	case bullmq.SpanProcess:
		list = append(list, workerID.String(s.WorkerID), jobProcessed.Int64(s.ProcessedOn.UnixMilli()))
		if s.WorkerName != "" {
			list = append(list, workerName.String(s.WorkerName))
		}
	}
	if s.SchedulerID != "" { // the job's name is in the span's name
		list = append(list, jobSchedulerID.String(s.SchedulerID))
	} else {
		list = append(list, jobName.String(s.JobName))
	}
	if s.JobID != "" {
		list = append(list, jobID.String(s.JobID))
	}
	return list
}

// endRun records how an attempt ended.
func endRun(span trace.Span, e bullmq.SpanEnd) {
	at := e.Time.UnixMilli()
	span.SetAttributes(jobFinished.Int64(at), jobFinished5.Int64(at))
	if e.AttemptsMade == 0 { // moved, handed back, or not known
		if e.Err != nil {
			span.RecordError(e.Err)
		}
		return
	}
	span.SetAttributes(jobAttemptsMade.Int(e.AttemptsMade))
	switch {
	case e.Err != nil:
		span.AddEvent(eventFailed, trace.WithAttributes(jobFailedReason.String(e.Err.Error())))
	case len(e.Result) == 0, string(e.Result) == "null": // no result
		span.AddEvent(eventCompleted)
	default:
		span.AddEvent(eventCompleted, trace.WithAttributes(jobResult.String(string(e.Result))))
	}
}
