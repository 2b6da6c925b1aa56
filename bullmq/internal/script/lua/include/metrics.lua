--@include text

-- countMinute counts a finished job. If the minute has changed since the last point, it adds
-- a point for each minute since then, newest first, and keeps at most max of them.
local function countMinute(key, now, max)
  local count = redis.call('HINCRBY', key, 'count', 1) - 1
  local f = redis.call('HMGET', key, 'prevTS', 'prevCount')
  if not f[1] then
    redis.call('HSET', key, 'prevTS', int(now), 'prevCount', '0')
    return
  end
  local minutes = math.min(math.floor(now / 60000) - math.floor(tonumber(f[1]) / 60000), max)
  if minutes <= 0 then
    return
  end
  local points = { int(count - (tonumber(f[2]) or 0)) }
  for i = 2, minutes do
    points[i] = '0'
  end
  chunked('LPUSH', key .. ':data', points)
  redis.call('LTRIM', key .. ':data', 0, max - 1)
  redis.call('HSET', key, 'prevCount', int(count), 'prevTS', int(now))
end
