-- drain removes waiting jobs, in several calls.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 '1' for delayed ones too  3 how many at most
-- returns 0 | 1 call again
--@include delete
--@include scheduled

local mode, withDelayed, most = unpack(ARGV)
local q = openQueue(KEYS[1], mode)
local left = tonumber(most)
local kept = 0 -- pending iterations of schedulers stay

check().keys(q.p, 'wait', 'paused', 'prioritized', 'delayed', 'repeat')

local function empty(name, read, take)
  local key = q.p .. name
  for _, id in ipairs(read(key)) do
    if left <= 0 then
      return
    end
    check().deletion(q.p, id)
    if isPendingIteration(q.p, id) then
      kept = kept + 1
    else
      take(key, id)
      local deid = redis.call('HGET', q.p .. id, 'deid')
      purge(q.p, id, q.mode, true)
      dropDedup(q.p, id, deid)
      left = left - 1
    end
  end
end
local function readList(key) return redis.call('LRANGE', key, 0, -1) end
local function takeList(key, id) redis.call('LREM', key, 1, id) end
local function readSet(key) return redis.call('ZRANGE', key, 0, -1) end
local function takeSet(key, id) redis.call('ZREM', key, id) end

empty('wait', readList, takeList)
empty('paused', readList, takeList)
empty('prioritized', readSet, takeSet)
if withDelayed == '1' then
  empty('delayed', readSet, takeSet)
end
return left <= 0 and 1 or 0
