-- requeue puts a running job whose attempt failed back into the queue without a wait.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 now ms  3 id  4 token  5 failed reason  6 stack trace (JSON)  7 '1' for the front
--       8 trace context of the attempt (JSON), if one is kept
-- returns 0 | -1 no such job | -2 no lock | -3 not active | -6 another token's lock
--@include place
--@include fetch
--@include lock

local mode, nowText, id, token, reason, trace, toFront, context = unpack(ARGV)
local q = openQueue(KEYS[1], mode)
local key = q.p .. id
check().run(q.p, id)
promoteDue(q, tonumber(nowText)) -- so that the retry does not overtake jobs that are due
if redis.call('EXISTS', key) ~= 1 then
  return -1
end
local code = unlock(q.p, id, token)
if code < 0 then
  return code
end
redis.call('HSET', key, 'failedReason', reason, 'stacktrace', trace)
if context then
  redis.call('HSET', key, 'tm', context)
end
if redis.call('LREM', q.p .. 'active', '-1', id) == 0 then
  return -3
end
local priority = tonumber(redis.call('HGET', key, 'priority') or 0) or 0
if priority > 0 then
  pushPrioritized(q, priority, id)
else
  push(q, toFront == '1' and 'RPUSH' or 'LPUSH', id)
end
increase(key, 'atm')
emitTrim(q, 'waiting', 'jobId', id, 'prev', 'active')
return 0
