-- change_priority changes a job's priority and, if the job waits, its position.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 id  3 priority  4 '1' for the front of its priority
-- returns 0 | -1 no such job
--@include place

local mode, id, priority, toFront = unpack(ARGV)
local q = openQueue(KEYS[1], mode)
priority = tonumber(priority)
local front = toFront == '1'
local key = q.p .. id
if redis.call('EXISTS', key) ~= 1 then
  return -1
end
check().line(q.p)
need(key, 'HLEN')
if redis.call('ZREM', q.p .. 'prioritized', id) == 1 or redis.call('LREM', q.p .. 'wait', -1, id) == 1
  or redis.call('LREM', q.p .. 'paused', -1, id) == 1 then
  if priority == 0 then
    push(q, front and 'RPUSH' or 'LPUSH', id)
  elseif front then
    pushBackPrioritized(q, priority, id)
    baseMarker(q)
  else
    pushPrioritized(q, priority, id)
  end
end
redis.call('HSET', key, 'priority', int(priority))
return 0
