-- clean removes jobs of one state that are older than a time.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 set: wait | active | paused | delayed | prioritized | completed | failed | waiting-children
--       3 newest time to remove, ms  4 how many (at least 1)
-- returns the ids
--@include delete
--@include scheduled

local mode, set, newest, most = unpack(ARGV)
local q = openQueue(KEYS[1], mode)
local key = q.p .. set
local isList = set == 'wait' or set == 'active' or set == 'paused'
local finished = set == 'completed' or set == 'failed'

check().keys(q.p, 'events', 'repeat', set)

local function candidates()
  if isList then
    local ids, turned = redis.call('LRANGE', key, 0, -1), {}
    for i = #ids, 1, -1 do -- oldest first
      turned[#turned + 1] = ids[i]
    end
    return turned
  end
  if finished then
    return redis.call('ZRANGEBYSCORE', key, 0, newest, 'LIMIT', 0, most)
  end
  return redis.call('ZRANGE', key, 0, -1)
end

-- age returns the time that counts for a job: the first one that is set.
local function age(id)
  local first, second = 'processedOn', 'processedOn'
  if isList then
    first = 'finishedOn'
  elseif set == 'prioritized' then
    first, second = 'timestamp', 'timestamp'
  end
  for _, time in ipairs(redis.call('HMGET', q.p .. id, first, second, 'timestamp')) do
    if tonumber(time) then
      return tonumber(time)
    end
  end
  return 0
end

local removed = {}
for _, id in ipairs(candidates()) do
  if #removed >= tonumber(most) then
    break
  end
  need(q.p .. id, 'HLEN')
  local free = finished or (age(id) <= tonumber(newest) and not isPendingIteration(q.p, id)
    and not (set == 'active' and redis.call('EXISTS', q.p .. id .. ':lock') == 1))
  if free then
    check().deletion(q.p, id)
    if isList then
      redis.call('LREM', key, 0, id)
    else
      redis.call('ZREM', key, id)
    end
    local deid = redis.call('HGET', q.p .. id, 'deid')
    purge(q.p, id, q.mode, true)
    dropDedup(q.p, id, deid)
    removed[#removed + 1] = id
  end
end
if #removed > 0 or set ~= 'paused' then -- which is looked at after wait, for BullMQ 5, and is nearly always empty
  emit(q, 'cleaned', 'count', int(#removed))
end
return removed
