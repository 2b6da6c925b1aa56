-- hand_back returns a running job to the front of the line; no attempt is spent.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 id  3 token  4 '1' no handler has run it: this start does not count
-- returns ms that a rate limit still holds, 0 for none | -1 no such job | -2 no lock | -6 another's lock
--@include place
--@include lock

local q = openQueue(KEYS[1], ARGV[1])
local id = ARGV[2]
local key = q.p .. id
if redis.call('EXISTS', key) ~= 1 then
  return -1
end
check().run(q.p, id)
local code = unlock(q.p, id, ARGV[3])
if code < 0 then
  return code
end
if redis.call('LREM', q.p .. 'active', 1, id) > 0 then
  if ARGV[4] == '1' then
    local started = redis.pcall('HINCRBY', key, 'ats', -1)
    if type(started) == 'number' and started < 1 then
      redis.call('HDEL', key, 'ats', 'processedOn', 'pb')
    end
  end
  local priority = tonumber(redis.call('HGET', key, 'priority') or 0) or 0
  if priority > 0 then
    pushBackPrioritized(q, priority, id)
    baseMarker(q)
  else
    push(q, 'RPUSH', id)
  end
  emitTrim(q, 'waiting', 'jobId', id, 'prev', 'active')
end
return math.max(redis.call('PTTL', q.p .. 'limiter'), 0)
