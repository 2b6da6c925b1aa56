-- promote makes a delayed job run now.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 id
-- returns 0 | -1 no such job | -3 not delayed
--@include place

local mode, id = unpack(ARGV)
local q = openQueue(KEYS[1], mode)
local key = q.p .. id
check().line(q.p)
need(key, 'HLEN')
if redis.call('ZREM', q.p .. 'delayed', id) ~= 1 then
  return redis.call('EXISTS', key) == 1 and -3 or -1
end
local priority = tonumber(redis.call('HGET', key, 'priority') or 0) or 0
if priority > 0 then
  pushPrioritized(q, priority, id)
else
  push(q, 'LPUSH', id)
end
emit(q, 'waiting', 'jobId', id, 'prev', 'delayed')
redis.call('HSET', key, 'delay', '0')
return 0
