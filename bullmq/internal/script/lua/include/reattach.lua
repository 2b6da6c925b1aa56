-- reattach makes a finished job that runs again a dependency of its parent again, if its
-- outcome was counted there.
local function reattach(key, set)
  local parentKey = redis.call('HGET', key, 'parentKey')
  if not parentKey or redis.call('EXISTS', parentKey) ~= 1 then
    return
  end
  local counted
  if set == 'failed' then
    counted = redis.call('ZREM', parentKey .. ':unsuccessful', key) == 1
      or redis.call('HDEL', parentKey .. ':failed', key) == 1
  else
    counted = redis.call('HDEL', parentKey .. ':processed', key) == 1
  end
  if counted then
    redis.call('SADD', parentKey .. ':dependencies', key)
  end
end
