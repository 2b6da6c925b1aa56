-- orphans deletes jobs that are in no state.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 how many at most (negative: all)  3… ids
-- returns the ids deleted
--@include delete

local p, left = KEYS[1], tonumber(ARGV[2])

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
for i = 3, #ARGV do
  local id = ARGV[i]
  if left == 0 then
    break
  end
  local kind = redis.call('TYPE', p .. id)
  if (kind.ok or kind) == 'hash' and redis.call('EXISTS', p .. id .. ':lock') == 0 and not placed(id) then
    dropDedup(p, id, redis.call('HGET', p .. id, 'deid'))
    purge(p, id, ARGV[1], false)
    removed[#removed + 1], left = id, left - 1
  end
end
return removed
