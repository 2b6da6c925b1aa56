-- delay moves a running job to the delayed ones, for its next attempt or because its handler
-- asked for it.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 now ms  3 id  4 token  5 delay ms
--       6 '' no attempt is spent | '1' one is | the trace context (JSON) to keep of the spent
--       attempt  7 failed reason  8 stack trace (JSON), both of a spent attempt
--       9 '1' to start the next job  10… the worker, as fetch
-- returns 0 | a started job, as fetch | -1 no such job | -2 no lock | -3 not active | -6 another token's lock
--@include place
--@include fetch
--@include lock

local mode, now, id, token, delay, spent, reason, trace, startNext, nextToken, lock, max, duration, worker = unpack(ARGV)
local q = openQueue(KEYS[1], mode)
now, delay = tonumber(now), tonumber(delay)
local key = q.p .. id
if redis.call('EXISTS', key) ~= 1 then
  return -1
end
check().run(q.p, id)
local code = unlock(q.p, id, token)
if code < 0 then
  return code
end
local failed = spent ~= '' -- an attempt
if failed then
  redis.call('HSET', key, 'failedReason', reason, 'stacktrace', trace)
  if spent ~= '1' then
    redis.call('HSET', key, 'tm', spent)
  end
end
if redis.call('LREM', q.p .. 'active', '-1', id) == 0 then
  return -3
end
if failed then
  increase(key, 'atm')
end
redis.call('HSET', key, 'delay', int(delay))
putDelayed(q, id, now, delay)
if startNext == '1' then
  local ok, result = pcall(fetch, q, now, nextToken, workerOf(lock, max, duration, worker))
  -- This job is delayed in any case. The worker's own fetch meets the same error and reports it.
  if ok and result and result[1] ~= 0 then
    return result
  end
end
delayMarker(q)
return 0
