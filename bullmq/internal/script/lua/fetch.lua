-- fetch starts the next job.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 now ms  3 token  4 lock ms  5 limiter max ('' none, 'heed' as workerOf)
--       6 limiter ms  7 worker name ('' none)
-- returns { hash as a flat list, id, 0, ms when the next delayed job is due, times started, 1 if no further job waits }
--       | { 0, 0, ms that a rate limit still holds, ms when the next delayed job is due }
--@include fetch

local mode, now, token, lock, max, duration, worker = unpack(ARGV)
need(KEYS[1] .. 'events', 'XLEN')
return fetch(openQueue(KEYS[1], mode), tonumber(now), token, workerOf(lock, max, duration, worker)) or { 0, 0, 0, 0 }
