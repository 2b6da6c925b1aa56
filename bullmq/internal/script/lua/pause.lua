-- pause pauses the queue.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 '1' on the first call of a pause
-- returns 0 | 1 call again: a long list is moved in several calls
--@include check
--@include events

local mode, first = unpack(ARGV)
local p = KEYS[1]
check().keys(p, 'meta', 'wait', 'paused', 'events')
if first == '1' then
  redis.call('HSET', p .. 'meta', 'paused', '1')
end
local q = openQueue(p, mode)
local more = 0
if q.wait ~= p .. 'wait' and redis.call('EXISTS', p .. 'wait') == 1 then
  if redis.call('EXISTS', q.wait) == 0 then
    redis.call('RENAME', p .. 'wait', q.wait)
  else
    -- Jobs that are already in the list were there first and run first.
    local ids = redis.call('LRANGE', p .. 'wait', -5000, -1)
    local turned = {}
    for i = #ids, 1, -1 do
      turned[#turned + 1] = ids[i]
    end
    redis.call('LPUSH', q.wait, unpack(turned))
    redis.call('LTRIM', p .. 'wait', 0, -#ids - 1)
    more = redis.call('EXISTS', p .. 'wait')
  end
end
if first == '1' then
  redis.call('DEL', p .. 'marker')
  emit(q, 'paused')
end
return more
