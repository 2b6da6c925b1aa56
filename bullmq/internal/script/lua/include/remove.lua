--@include delete

-- takeOut removes an id from the first state that has it and returns the state's key.
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

-- checkTree checks the keys that remove writes for a job and, by childrenOf, its descendants.
local function checkTree(key, childrenOf, seen)
  local p, id = splitKey(key)
  if not p or seen[key] then
    return
  end
  seen[key] = true
  if not seen[p] then
    seen[p] = true
    check().line(p)
    check().keys(p, 'completed', 'waiting-children', 'failed', 'active')
  end
  check().deletion(p, id)
  for _, child in ipairs(childrenOf(key)) do
    checkTree(child, childrenOf, seen)
  end
end

-- remove deletes a job and, as childrenOf lists them, its children, their children and so on.
-- parentKey is set if the parent is being removed.
local function remove(key, parentKey, mode, childrenOf)
  local p, id = splitKey(key)
  parentKey = parentKey or redis.call('HGET', key, 'parentKey')
  if parentKey then
    detach(key, parentKey, mode, false, p)
  end
  for _, child in ipairs(childrenOf(key)) do
    remove(child, key, mode, childrenOf)
  end
  local deid = redis.call('HGET', key, 'deid')
  local prev = takeOut(p, id)
  dropDedup(p, id, deid)
  if deleteData(key) > 0 then
    emitTrim(openQueue(p, mode), 'removed', 'jobId', id, 'prev', prev)
  end
end
