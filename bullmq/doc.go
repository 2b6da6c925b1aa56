// Package bullmq is a job queue on Redis that speaks BullMQ's protocol: its
// queues, jobs and events can be shared with Node programs that use BullMQ 5
// or 6, and are read by the dashboards made for them.
package bullmq
