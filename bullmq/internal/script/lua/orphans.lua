-- orphans deletes jobs that are in no state, and the remaining keys of jobs without a hash.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 how many at most (negative: all)  3… ids
-- returns the ids deleted
--@include delete

local mode, most = unpack(ARGV, 1, 2)
local firstId = 3
local p, left = KEYS[1], tonumber(most)
-- If a list has another type, it is unknown which jobs were in it.
check().keys(p, 'completed', 'waiting-children', 'delayed', 'failed', 'prioritized', 'wait', 'paused', 'active')

local function placed(id)
  for _, set in ipairs({ 'completed', 'waiting-children', 'delayed', 'failed', 'prioritized' }) do
    if redis.call('ZSCORE', p .. set, id) then
      return true
    end
  end
  for _, list in ipairs({ 'wait', 'paused', 'active' }) do
    if redis.call('LPOS', p .. list, id) then
      return true
    end
  end
  return false
end

local removed = {}
for i = firstId, #ARGV do
  local id = ARGV[i]
  if left == 0 then
    break
  end
  local key = p .. id
  local kind = redis.call('TYPE', key)
  kind = kind.ok or kind
  if (kind == 'hash' or kind == 'none') and not placed(id) then
    check().deletion(p, id)
    dropDedup(p, id, redis.call('HGET', key, 'deid'))
    -- A worker that still runs the job cannot end it, because it is not active.
    if purge(p, id, mode, false) + redis.call('DEL', key .. ':lock') > 0 then
      removed[#removed + 1], left = id, left - 1
    end
  end
end
return removed
