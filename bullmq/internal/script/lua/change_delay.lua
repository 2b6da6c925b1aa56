-- change_delay sets the delay of a delayed job, counted from now.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 now ms  3 id  4 delay ms
-- returns 0 | -1 no such job | -3 not delayed
--@include place

local mode, now, id, delay = unpack(ARGV)
local q = openQueue(KEYS[1], mode)
local key = q.p .. id
if redis.call('EXISTS', key) ~= 1 then
  return -1
end
check().keys(q.p, 'delayed', 'events')
need(key, 'HLEN')
local score, due = delayedScore(q, tonumber(now), tonumber(delay))
if redis.call('ZREM', q.p .. 'delayed', id) ~= 1 then
  return -3
end
redis.call('HSET', key, 'delay', int(delay))
redis.call('ZADD', q.p .. 'delayed', int(score), id)
emitTrim(q, 'delayed', 'jobId', id, 'delay', int(due))
delayMarker(q)
return 0
