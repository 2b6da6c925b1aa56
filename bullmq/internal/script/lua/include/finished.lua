--@include delete

-- purgeAll deletes finished jobs. A job whose deletion fails, because a key has another type,
-- stays in the set.
local function purgeAll(q, key, ids)
  local gone = {}
  for _, id in ipairs(ids) do
    if pcall(purge, q.p, id, q.mode, false) then
      gone[#gone + 1] = id
    end
  end
  if #gone > 0 then
    chunked('ZREM', key, gone)
  end
end

-- trimFinished applies the limits of a set of finished jobs: age in ms and count, each nil for
-- none. At most limit jobs are removed by age.
local function trimFinished(q, set, now, count, age, limit)
  local key = q.p .. set
  if age then
    local oldest = int(now - age)
    local ids = redis.call('ZREVRANGEBYSCORE', key, oldest, '-inf', 'LIMIT', 0, limit)
    purgeAll(q, key, ids)
  end
  if count and count > 0 then
    purgeAll(q, key, redis.call('ZREVRANGE', key, count, -1))
  end
end
