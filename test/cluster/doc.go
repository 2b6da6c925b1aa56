// Package cluster holds tests of the queue, and of the program on it, on a Redis that
// fails over: a real Redis Cluster and a real master with its replica under Sentinels,
// whose master is killed in the middle of work.
package cluster
