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
//	 1 Go runs what Node adds             TestGoWorksOffWhatNodeAdds TestGoReadsTheOptionsThatNodeWrites
//	 2 Node runs what Go adds             TestNodeWorksOffWhatGoAdds TestNodeReadsTheOptionsThatGoWrites
//	 3 Node and Bull Board look on        TestNodeReadsWhatGoAddedAndWorkedOff TestBullBoardShowsWhatGoMakes TestBullBoardActsOnWhatGoMakes
//	 4 Node hears of events               TestNodeHearsOfEverythingThatGoDoes
//	 5 waiting for results                TestNodeWaitsForJobsThatGoRuns TestGoAndNodeWaitForTheSameJobs
//	 6 workers of both, 5000 jobs         TestGoAndNodeWorkersShareAQueueAndRunEveryJobOnce TestKilledWorkerLosesNoJobs
//	 7 idle workers are woken             TestAMarkerWakesAnIdleWorkerOfTheOtherLanguage TestManyJobsWakeManyIdleWorkers
//	 8 delays                             TestDelayedJobsRunWhenDueAndInOrderAcrossLanguages TestDueJobsWakeTheOtherLanguage
//	 9 priorities                         TestPrioritiesHoldAcrossLanguages TestAddingLeavesTheSameInRedis
//	10 attempts and backoffs              TestAttemptsInTurnsCountAndWaitAlike TestRetryWithoutBackoffAcrossLanguages TestARetryDoesNotOvertakeJobsThatAreDue TestAStrategyThatGoDoesNotKnowFailsTheJobClearly
//	11 errors that decide a job's fate    TestWorkingLeavesTheSameInRedis TestAJobWaitsForOneChildAsInNode
//	12 a worker is killed                 TestAKilledWorkersJobIsDoneByTheOtherLanguage
//	13 a worker loses its lock            TestAWorkerThatWasStoppedTooLongChangesNothing
//	14 long jobs                          TestALongJobKeepsItsLockBesideTheOtherLanguage TestALockIsExtendedAsInNode
//	15 flows                              TestFlowsRunInBothLanguages TestFlowsLeaveTheSameInRedis TestGoAndNodeReadTheSamePagesOfChildren
//	16 children fail                      TestAFailedChildMeansTheSameForItsParent TestAChildsFailureReachesTheOtherLanguagesParents
//	17 a job waits for its own children   TestStepJobIsReleasedOnceAcrossLanguages TestAJobInGoWaitsForChildrenThatNodeRuns
//	18 ids that exist                     TestExistingIDIsNotAddedAgain TestAChildThatCompletedLongAgoCountsInANewFlow
//	19 pauses                             TestAPauseInOneLanguageLosesNoJobOfTheOther TestWorkersStopInAPauseAndGoOnAfterIt TestAPausedWorkerLeavesJobsToTheOtherLanguage
//	20 rate limits                        TestWorkersOfBothLanguagesKeepToOneRateLimit TestALimitSetByHandHoldsForTheOtherLanguage TestRateLimitDependsOnItsMaximum
//	21 global concurrency                 TestGlobalConcurrencyAcrossLanguages
//	22 deduplication                      TestDeduplicationLeavesTheSameInRedis TestLastDroppedJobFollowsOnce TestAnIDHeldByAJobThatIsGoneIsFreeInGoAsInBullMQ6
//	23 schedulers                         TestASchedulersJobsAreMadeByTurnsAsByOneLanguage TestSchedulerIsChangedAcrossLanguages TestSchedulerRunsOnTimeInBothLanguages TestARepeatableJobOfBullMQ5IsDrivenOnByTurns TestRepeatableJobsOfBullMQ5AreListedAndRemoved TestRepeatableJobOfBullMQ5ContinuesInGo TestRepeatableJobWithAParentIsReported TestRepeatStrategyInBothLanguages
//	24 keeping finished jobs              TestKeepingFinishedJobsLeavesTheSame
//	25 managing the other's jobs          TestManagingLeavesTheSameInRedis TestRefusalsHaveTheSameCodesInBothLanguages
//	26 changing the other's jobs          TestManagingLeavesTheSameInRedis TestBullBoardActsOnWhatGoMakes
//	27 metrics                            TestMetricsCountTheJobsOfWorkersOfBothLanguages
//	28 workers are listed                 TestWorkersAreListedAsLongAsTheyRun
//	29 faults of Redis                    TestBothLanguagesSurviveRedisFaultsUnderLoad TestIdleWorkerReconnects TestBothLanguagesGoOnWhenSentinelsReplaceTheMaster
//	30 Cluster                            TestQueuesAreSharedInAClusterToo TestQueuesAreSharedUnderSentinelsToo
//	31 damaged jobs                       TestGoReadsWhatNodeReadsOfDamagedJobs TestDamagedJobsNeitherStopAWorkerNorStayInLine
//	32 equal dumps                        TestAddingLeavesTheSameInRedis TestWorkingLeavesTheSameInRedis TestManagingLeavesTheSameInRedis TestFlowsLeaveTheSameInRedis
//	33 jobs run by hand                   TestRunningJobsByHandLeavesTheSameInRedis TestAJobFetchedByHandIsSettledInTheOtherLanguage
//	34 a worker's own events              TestTheHooksTellWhatNodesWorkersEmit
package interop
