// Package interop proves, with the real BullMQ 5 and 6 from npm, that Go and Node
// programs share queues. It has tests only. Each runs once with either major, on
// a Redis of its own, beside a Node process (driver.mjs) that runs the pieces of
// Node code which stand in the test.
//
// These are the scenarios that Go and Node must have in common, with the tests that
// play them. Where a time is part of one, the test shows that a signal came and
// not how soon: workers that wait for an hour are woken by markers only, and
// clocks stand still.
//
//	 1 Go runs what Node adds             TestAdd
//	 2 Node runs what Go adds             TestAdd
//	 3 Node and Bull Board look on        TestReadInNode TestBullBoard
//	 4 Node hears of events               TestReadInNode
//	 5 waiting for results                TestReadInNode TestWaitUntilFinished
//	 6 workers of both, 5000 jobs         TestMixedWorkers TestKilledWorker
//	 7 idle workers are woken             TestIdleWorkers
//	 8 delays                             TestDelayedJobs
//	 9 priorities                         TestPriorities TestGoldenAdd
//	10 attempts and backoffs              TestRetry
//	11 errors that decide a job's fate    TestGoldenWork TestWaitForChild
//	12 a worker is killed                 TestKilledWorker
//	13 a worker loses its lock            TestSuspendedWorker
//	14 long jobs                          TestLongJobLock TestExtendLock
//	15 flows                              TestFlow TestGoldenFlow TestDependencyPages
//	16 children fail                      TestFlow TestFamilyFailure
//	17 a job waits for its own children   TestStepJob TestFlow
//	18 ids that exist                     TestExistingID TestCompletedChild
//	19 pauses                             TestPause TestPausedWorker
//	20 rate limits                        TestRateLimit
//	21 global concurrency                 TestGlobalConcurrency
//	22 deduplication                      TestDeduplication
//	23 schedulers                         TestScheduler TestRepeatableJob TestRepeatStrategy
//	24 keeping finished jobs              TestGoldenKeep
//	25 managing the other's jobs          TestGoldenManage TestErrorCodes
//	26 changing the other's jobs          TestGoldenManage TestBullBoard
//	27 metrics                            TestMetrics
//	28 workers are listed                 TestWorkerList
//	29 faults of Redis                    TestRedisFaults TestSentinel
//	30 Cluster                            TestCluster TestSentinel
//	31 damaged jobs                       TestDamagedJobs
//	32 equal dumps                        TestGoldenAdd TestGoldenWork TestGoldenManage TestGoldenFlow
//	33 jobs run by hand                   TestFetch
//	34 a worker's own events              TestHooks
package interop
