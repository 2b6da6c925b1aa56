--@include delete

-- trimFinished keeps a set of finished jobs within its limits: age in ms and
-- count, each nil for none; at most limit jobs go by age.
local function trimFinished(q, set, now, count, age, limit)
  local key = q.p .. set
  if age then
    local oldest = int(now - age)
    local ids = redis.call('ZREVRANGEBYSCORE', key, oldest, '-inf', 'LIMIT', 0, limit)
    for _, id in ipairs(ids) do
      purge(q.p, id, q.mode, false)
    end
    if #ids > 0 then
      chunked('ZREM', key, ids)
    end
  end
  if count and count > 0 then
    local ids = redis.call('ZREVRANGE', key, count, -1)
    for _, id in ipairs(ids) do
      purge(q.p, id, q.mode, false)
    end
    if #ids > 0 then
      redis.call('ZREMRANGEBYRANK', key, 0, -(count + 1))
    end
  end
end
