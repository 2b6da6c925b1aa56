package sqlite

import (
	"context"

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
	err = s.DB.read(ctx, "forecast a quota", func(c *conn) error {
		q, now, err := quotaOf(ctx, c, quota.Name)
		f = q.Forecast(quota, lane, units, now)
		return err
	})
	return f, err
}

// change reads the row of a quota and stores it if f has changed it.
func (s Quotas) change(ctx context.Context, doing, name string, f func(q *row.Quota, now int64) (changed bool)) error {
	return s.DB.write(ctx, doing, func(c *conn) error {
		q, now, err := quotaOf(ctx, c, name)
		if err != nil || !f(&q, now) {
			return err
		}
		_, err = c.exec(ctx, storeQuota, args{"name": name, "full": q.Full, "normal_full": q.NormalFull, "hours": q.HoursText()})
		return err
	})
}

// quotaOf reads a quota and the clock, in µs since 1970. A quota that is missing is one of which nothing was reserved.
func quotaOf(ctx context.Context, c *conn, name string) (q row.Quota, now int64, err error) {
	ms, err := clock(ctx, c)
	if err != nil {
		return q, 0, err
	}
	err = c.each(ctx, readQuota, args{"name": name}, func(scan func(...any) error) error {
		var hours string
		if err := scan(&q.Full, &q.NormalFull, &hours); err != nil {
			return err
		}
		return q.ReadHours(hours)
	})
	return q, ms * 1000, err
}

// readQuota selects what was reserved of a quota.
const readQuota = "SELECT full_us, normal_full_us, hours FROM quotas WHERE name = @name"

// storeQuota stores what was reserved of a quota.
const storeQuota = `
INSERT INTO quotas (name, full_us, normal_full_us, hours)
VALUES (@name, @full, @normal_full, @hours)
ON CONFLICT (name) DO UPDATE
SET full_us = excluded.full_us,
	normal_full_us = excluded.normal_full_us,
	hours = excluded.hours`
