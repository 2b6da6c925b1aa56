-- resume ends a pause. Jobs that were moved to the list paused are moved to the front of wait.
-- KEYS  1 queue prefix
-- ARGV  1 '1' on the first call of a resume
-- returns 0 | 1 call again: a long list is moved in several calls
--@include check
--@include events

local first = unpack(ARGV)
local p = KEYS[1]
local wait, paused = p .. 'wait', p .. 'paused'
check().keys(p, 'meta', 'wait', 'paused', 'prioritized', 'delayed', 'events')
redis.call('HDEL', p .. 'meta', 'paused')
local q = openQueue(p, '6')
local more = 0
if redis.call('EXISTS', paused) == 1 then
  if redis.call('EXISTS', wait) == 0 then
    redis.call('RENAME', paused, wait)
  else
    local ids = redis.call('LRANGE', paused, 0, 4999)
    redis.call('RPUSH', wait, unpack(ids))
    redis.call('LTRIM', paused, #ids, -1)
    more = redis.call('EXISTS', paused)
  end
end
if redis.call('LLEN', wait) > 0 or redis.call('ZCARD', p .. 'prioritized') > 0 then
  redis.pcall('ZADD', p .. 'marker', '0', '0')
else
  delayMarker(q)
end
if first == '1' then
  emit(q, 'resumed')
end
return more
