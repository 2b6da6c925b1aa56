-- obliterate deletes a paused queue, in several calls.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 how many jobs at most  3 '1' even if jobs are active
-- returns 0 | 1 call again | -1 the queue is not paused | -2 jobs are active
--@include delete

local mode, most, force = unpack(ARGV)
local p, left = KEYS[1], tonumber(most)
check().keys(p, 'meta', 'wait', 'paused', 'active', 'prioritized', 'delayed', 'waiting-children', 'completed', 'failed', 'repeat')
if redis.call('HEXISTS', p .. 'meta', 'paused') ~= 1 then
  return -1
end
if force ~= '1' and redis.call('LLEN', p .. 'active') > 0 then
  return -2
end

local function erase(ids, locks)
  for _, id in ipairs(ids) do
    check().deletion(p, id)
    local deid = redis.call('HGET', p .. id, 'deid')
    purge(p, id, mode, true)
    dropDedup(p, id, deid)
    if locks then
      redis.call('DEL', p .. id .. ':lock')
    end
  end
  left = left - #ids
end
local function eraseList(name)
  if left > 0 then
    local ids = redis.call('LRANGE', p .. name, 0, left - 1)
    erase(ids, name == 'active')
    redis.call('LTRIM', p .. name, #ids, -1)
  end
end
local function eraseSet(name)
  if left > 0 then
    local ids = redis.call('ZRANGE', p .. name, 0, left - 1)
    erase(ids, false)
    if #ids > 0 then
      chunked('ZREM', p .. name, ids)
    end
  end
end

eraseList('active')
eraseSet('delayed')
for _, scheduler in ipairs(redis.call('ZRANGE', p .. 'repeat', 0, -1)) do
  redis.call('DEL', p .. 'repeat:' .. scheduler)
end
redis.call('DEL', p .. 'repeat')
eraseSet('completed')
eraseList('wait')
eraseList('paused')
eraseSet('prioritized')
eraseSet('failed')
eraseSet('waiting-children')
if left <= 0 then
  return 1
end
for _, name in ipairs({
  'events', 'delay', 'stalled-check', 'stalled', 'id', 'pc', 'marker', 'meta',
  'metrics:completed', 'metrics:completed:data', 'metrics:failed', 'metrics:failed:data',
}) do
  redis.call('DEL', p .. name)
end
return 0
