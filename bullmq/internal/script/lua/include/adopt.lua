--@include parent

-- counted tells whether a parent has done with a child of its own that failed for
-- good: to wait for it again, because it is added again, would be for ever.
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
