-- retry puts a finished job back into the queue.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 id  3 set that the job must be in: completed | failed
--       4 '1' to reset the attempts made  5 '1' to reset the attempts started
-- returns 1 | -1 no such job | -3 not in that set
--@include place
--@include reattach

local mode, id, set, resetMade, resetStarted = unpack(ARGV)
local q = openQueue(KEYS[1], mode)
local key = q.p .. id
if redis.call('EXISTS', key) ~= 1 then
  return -1
end
need(key, 'HLEN')
check().line(q.p)
check().keys(q.p, 'completed', 'failed')
check().parent(key)
if redis.call('ZREM', q.p .. set, id) ~= 1 then
  return -3
end
redis.call('HDEL', key, 'finishedOn', 'processedOn', set == 'failed' and 'failedReason' or 'returnvalue')
if resetMade == '1' then
  redis.call('HDEL', key, 'atm')
end
if resetStarted == '1' then
  redis.call('HDEL', key, 'ats')
end
local f = redis.call('HMGET', key, 'priority', 'opts')
local priority = tonumber(f[1]) or 0
if priority > 0 then
  pushPrioritized(q, priority, id)
else
  local ok, opts = pcall(cjson.decode, f[2] or '{}')
  push(q, ok and type(opts) == 'table' and opts.lifo == true and 'RPUSH' or 'LPUSH', id)
end
reattach(key, set)
emitTrim(q, 'waiting', 'jobId', id, 'prev', set)
return 1
