package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Quotas implements ledger.Quotas.
type Quotas struct{ DB *DB }

// Reserve implements ledger.Quotas.
func (s Quotas) Reserve(ctx context.Context, quota ledger.Quota, lane schoolbell.Lane, most int) (r ledger.Reservation, err error) {
	err = s.change(ctx, "reserve messages", quota.Name, func(q *row.Quota, now int64) (changed bool) {
		r = q.Reserve(quota, lane, most, now)
		return r.Messages > 0
	})
	return r, err
}

// Settle implements ledger.Quotas.
func (s Quotas) Settle(ctx context.Context, quota ledger.Quota, lane schoolbell.Lane, r ledger.Reservation, used int) error {
	return s.change(ctx, "settle a reservation", quota.Name, func(q *row.Quota, now int64) (changed bool) {
		q.Settle(quota, lane, r, used, now)
		return true
	})
}

// Forecast implements ledger.Quotas.
func (s Quotas) Forecast(ctx context.Context, quota ledger.Quota, lane schoolbell.Lane, units int) (f ledger.Forecast, err error) {
	err = s.DB.read(ctx, "forecast a quota", func(tx pgx.Tx) error {
		var q row.Quota
		var now int64
		err := scanQuota(tx.QueryRow(ctx, forecastQuota, named{"name": quota.Name}), &q, &now)
		f = q.Forecast(quota, lane, units, now)
		return err
	})
	return f, err
}

// forecastQuota reads a quota, which need not be there, and the clock.
const forecastQuota = `
	SELECT coalesce(q.full_us, 0), coalesce(q.normal_full_us, 0), coalesce(q.hours, '[]'),
		(extract(epoch FROM clock_timestamp()) * 1000000)::bigint
	FROM (SELECT @name::text AS name) given
	LEFT JOIN quotas q ON q.name = given.name`

// change locks the row of a quota, adds it if it is missing, and stores it again if f has changed it.
func (s Quotas) change(ctx context.Context, doing, name string, f func(q *row.Quota, now int64) (changed bool)) error {
	var q row.Quota
	var now int64
	lock := func(b *pgx.Batch) {
		q = row.Quota{}
		b.Queue(addQuota, named{"name": name})
		b.Queue(lockQuota, named{"name": name})
		b.Queue(readQuota, named{"name": name}).QueryRow(func(r pgx.Row) error { return scanQuota(r, &q, &now) })
	}
	store := func(b *pgx.Batch) {
		if f(&q, now) {
			b.Queue(storeQuota, named{"name": name, "full": q.Full, "normal_full": q.NormalFull, "hours": q.HoursText()})
		}
	}
	return s.DB.twoTrips(ctx, doing, lock, store)
}

func scanQuota(r pgx.Row, q *row.Quota, now *int64) error {
	var hours string
	if err := r.Scan(&q.Full, &q.NormalFull, &hours, now); err != nil {
		return err
	}
	return q.ReadHours(hours)
}

// addQuota adds a quota of which nothing was reserved yet, unless it is there.
const addQuota = "INSERT INTO quotas (name, full_us, normal_full_us, hours) VALUES (@name, 0, 0, '[]') ON CONFLICT DO NOTHING"

// lockQuota waits for other transactions on the quota. It is a statement of its own, so that the next one sees what they
// have stored, and a later time.
const lockQuota = "SELECT 1 FROM quotas WHERE name = @name FOR UPDATE"

// readQuota reads a quota and the clock.
const readQuota = "SELECT full_us, normal_full_us, hours, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM quotas WHERE name = @name"

// storeQuota stores what was reserved.
const storeQuota = "UPDATE quotas SET full_us = @full, normal_full_us = @normal_full, hours = @hours WHERE name = @name"
