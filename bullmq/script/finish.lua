-- finish ends a job that this worker runs, as completed or failed, and starts
-- the next one.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 now ms  3 id  4 token  5 set: completed | failed
--       6 return value (JSON) or failed reason (text)  7 stack trace (JSON, failed)
--       8 attempts allowed (failed)  9 keep count ('' no limit, 0 none)
--       10 keep age ms ('' no limit)  11 most to remove by age
--       12 metrics points ('' no metrics)  13 '1' to start the next job
--       14… the worker, as fetch
-- returns 0 | what fetch returns | -1 no such job | -2 no lock | -3 not active
--       | -4 unfinished children | -6 another's lock | -9 failed children
--@include fetch
--@include lock
--@include parent
--@include finished
--@include dedup
--@include metrics

local q = openQueue(KEYS[1], ARGV[1])
local now, id, set, value = tonumber(ARGV[2]), ARGV[3], ARGV[5], ARGV[6]
local key = q.p .. id
local completed = set == 'completed'

local f = redis.call('HMGET', key, 'name', 'parentKey', 'parent', 'deid')
if not f[1] and redis.call('EXISTS', key) ~= 1 then
  return -1
end
if completed then
  if redis.call('SCARD', key .. ':dependencies') > 0 then
    return -4
  end
  if redis.call('ZCARD', key .. ':unsuccessful') > 0 then
    return -9
  end
end
local code = unlock(q.p, id, ARGV[4])
if code < 0 then
  return code
end
if not completed then
  redis.call('HSET', key, 'failedReason', value, 'stacktrace', ARGV[7])
end
if redis.call('LREM', q.p .. 'active', -1, id) == 0 then
  return -3
end
trimEvents(q)
if f[4] then
  finishDedup(q, id, f[4], now)
end
if f[2] then
  if completed then
    childCompleted(key, f[2], f[3], value, now, q.mode)
  else
    childFailed(key, f[2], f[3], value, now, q.mode)
  end
end
local made = increase(key, 'atm')

local count = tonumber(ARGV[9])
if count == 0 then
  if f[2] then
    detach(key, f[2], q.mode, false, q.p)
  end
  deleteData(key)
else
  redis.call('ZADD', q.p .. set, int(now), id)
  if completed then
    redis.call('HSET', key, 'returnvalue', value, 'finishedOn', int(now))
  else
    redis.call('HSET', key, 'failedReason', value, 'finishedOn', int(now))
    redis.call('HDEL', key, 'defa')
  end
  trimFinished(q, set, now, count, tonumber(ARGV[10]), ARGV[11])
end

if completed then
  emit(q, 'completed', 'jobId', id, 'returnvalue', value, 'prev', 'active')
else
  emit(q, 'failed', 'jobId', id, 'failedReason', value, 'prev', 'active')
  if made >= tonumber(ARGV[8]) then
    emit(q, 'retries-exhausted', 'jobId', id, 'attemptsMade', int(made))
  end
end
local points = tonumber(ARGV[12])
if points then
  countMinute(q.p .. 'metrics:' .. set, now, points)
end

if ARGV[13] == '1' then
  local result = fetch(q, now, worker(14))
  if result then
    return result
  end
end
if redis.call('LLEN', q.p .. 'wait') == 0 and redis.call('LLEN', q.p .. 'active') == 0
  and redis.call('ZCARD', q.p .. 'prioritized') == 0 then
  emit(q, 'drained')
end
return 0
