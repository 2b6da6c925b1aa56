--@include text

-- limitTTL returns how long (ms) the rate limit still holds, 0 if it does not. max is nil or
-- false without a limit. A counter without expiry limits nothing.
local function limitTTL(q, max)
  if not max then
    return 0
  end
  local key = q.p .. 'limiter'
  local taken = redis.pcall('GET', key)
  if type(taken) == 'table' then
    damaged(key, taken)
  end
  if taken and not string.find(taken, '^%-?%d+$') then
    damaged(key)
  end
  if tonumber(taken or 0) < max then
    return 0
  end
  local ttl = redis.call('PTTL', key)
  if ttl == 0 then
    redis.call('DEL', key)
  end
  return math.max(ttl, 0)
end
