// Package queuesoak holds a soak of the queue library alone: programs that add and work on
// two queues of a Redis that keeps an append-only file, while a seeded source of
// faults breaks all of them. Afterwards every job, key and event is held against
// what the job was to do, which its id says.
package queuesoak
