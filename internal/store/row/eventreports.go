package row

import (
	"schoolbell"
	"schoolbell/internal/ledger"
)

// FailedDelivery says that a delivery d failed, or came back after it was sent. It is for SQL.
const FailedDelivery = "(d.status = {failed} OR d.status IN ({sent}, {uncertain}) AND d.outcome IN ({outcome_bounced}, {outcome_complained}))"

// CountFailedReasons counts the failed deliveries of an event. The outcome of those that were not sent is none.
var CountFailedReasons = SQL(`
SELECT c.name, CASE WHEN d.status = {failed} THEN 0 ELSE d.outcome END AS outcome, coalesce(d.reason, '') AS reason, count(*) AS n
FROM deliveries d
JOIN channels c ON c.id = d.channel
WHERE d.event_seq = @event
	AND ` + FailedDelivery + `
GROUP BY 1, 2, 3
ORDER BY n DESC, 1, 3
LIMIT @limit`)

// ScanFailedReason reads a row of CountFailedReasons.
func ScanFailedReason(scan func(...any) error) (r ledger.FailedReason, err error) {
	var outcome int
	var channel string
	err = scan(&channel, &outcome, &r.Reason, &r.Count)
	r.Channel, r.Outcome = schoolbell.Channel(channel), Outcome(outcome)
	return r, err
}

// ListWaveTimes selects the waves of an event, and when half of the batches of each were done.
const ListWaveTimes = `
WITH done AS (
	SELECT wave, finished_at, row_number() OVER (PARTITION BY wave ORDER BY finished_at NULLS LAST) AS n,
		count(*) OVER (PARTITION BY wave) AS batches
	FROM batches
	WHERE event_seq = @event
)
SELECT w.n, w.notice, w.starts_at, w.queued_at, d.finished_at, w.finished_at
FROM waves w
LEFT JOIN done d ON d.wave = w.n AND d.n = (d.batches + 1) / 2
WHERE w.event_seq = @event
ORDER BY w.n`
