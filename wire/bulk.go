package wire

// BulkEvent is one of many events to be created.
type BulkEvent struct {
	NewEvent
	IdempotencyKey string `json:"idempotency_key,omitempty" doc:"As the header Idempotency-Key of a request for one event, and one key space with it."`
}

// BulkResults says what a request for many events did, in the order of the events.
type BulkResults struct {
	Results []BulkResult `json:"results" nullable:"false"`
}

// BulkResult is the result for one of many events.
type BulkResult struct {
	Index   int      `json:"index" doc:"Position of the event in the request, from 0. Empty lines do not count."`
	Status  int      `json:"status" enum:"201,200,422" doc:"201: created. 200: it was created earlier, under the same idempotency_key. 422: invalid."`
	Event   *Event   `json:"event,omitempty" doc:"The event that was created, now or earlier."`
	Problem *Problem `json:"problem,omitempty" doc:"What is wrong with the event, with at most 10 faults."`
}
