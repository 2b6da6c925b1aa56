-- refund returns a job's start to the limiter's window.
-- KEYS  1 queue prefix
-- ARGV  1 now ms  2 when the job was started, ms  3 the worker's limiter max ('' none)  4 its ms
-- returns 1 | 0 there was nothing to return
--@include queue

local now, started, workerMax, workerDuration = unpack(ARGV)
local q = openQueue(KEYS[1], '6')
local key = q.p .. 'limiter'
local duration = tonumber(workerDuration) or q.duration
if not (q.max or tonumber(workerMax)) or not duration then
  return 0
end
local taken, ttl = tonumber(redis.call('GET', key) or 0), redis.call('PTTL', key)
-- A limit set by hand is a huge number, not a count. A window that began after the job was
-- started has not counted it.
if taken <= 0 or taken >= 9007199254740991 or ttl <= 0 or tonumber(now) + ttl - duration > tonumber(started) + 1 then
  return 0
end
redis.call('DECR', key)
return 1
