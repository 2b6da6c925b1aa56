--@include parent

-- counted reports whether a parent no longer waits for a child that has failed with no attempt
-- left. If such a child is added again, the parent must not wait for it: it would never end.
local function counted(q, id, key, parentKey)
  if not redis.call('ZSCORE', q.p .. 'failed', id) then
    return false
  end
  local f = redis.call('HMGET', key, 'parentKey', 'parent')
  if f[1] ~= parentKey then
    return false
  end
  if redis.call('HEXISTS', parentKey .. ':failed', key) == 1 or redis.call('ZSCORE', parentKey .. ':unsuccessful', key) then
    return true
  end
  local parent = decodeParent(f[2])
  return parent ~= nil and parent.rdof == true -- of which nothing is kept
end
