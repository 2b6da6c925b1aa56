-- remove deletes a job in whatever state.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 id  3 '1' to remove its children too
-- returns 1 | 0 it, or a child, is locked | -8 it is the pending iteration of a scheduler
--@include delete
--@include scheduled

local mode, children = ARGV[1], ARGV[3] == '1'

local function locked(key)
  if redis.call('EXISTS', key .. ':lock') == 1 then
    return true
  end
  if children then
    for _, child in ipairs(redis.call('SMEMBERS', key .. ':dependencies')) do
      if locked(child) then
        return true
      end
    end
  end
  return false
end

-- takeOut takes an id out of the first state that has it, and says which.
local function takeOut(p, id)
  for _, set in ipairs({ 'completed', 'waiting-children', 'delayed', 'failed', 'prioritized' }) do
    if redis.call('ZREM', p .. set, id) == 1 then
      return set
    end
  end
  for _, list in ipairs({ 'wait', 'paused', 'active' }) do
    if redis.call('LREM', p .. list, 0, id) > 0 then
      return list
    end
  end
  return 'unknown'
end

local function remove(key, parentKey)
  local p, id = splitKey(key)
  parentKey = parentKey or redis.call('HGET', key, 'parentKey')
  if parentKey then
    detach(key, parentKey, mode, false, p)
  end
  if children then
    local gone = redis.call('HKEYS', key .. ':processed')
    for _, list in ipairs({
      redis.call('HKEYS', key .. ':failed'),
      redis.call('ZRANGE', key .. ':unsuccessful', 0, -1),
      redis.call('SMEMBERS', key .. ':dependencies'),
    }) do
      for _, child in ipairs(list) do
        gone[#gone + 1] = child
      end
    end
    for _, child in ipairs(gone) do
      remove(child, key)
    end
  end
  local deid = redis.call('HGET', key, 'deid')
  local prev = takeOut(p, id)
  dropDedup(p, id, deid)
  if deleteData(key) > 0 then
    emitTrim(openQueue(p, mode), 'removed', 'jobId', id, 'prev', prev)
  end
end

if isPendingIteration(KEYS[1], ARGV[2]) then
  return -8
end
local key = KEYS[1] .. ARGV[2]
if locked(key) then
  return 0
end
remove(key, nil)
return 1
