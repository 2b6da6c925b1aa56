-- hand_back puts a running job back to the front of the queue, or behind the others of a new
-- priority. No attempt is spent.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 id  3 token  4 '1' no handler has run it: this start does not count
--       5 ms of a rate limit to announce ('' none)  6 new priority ('': the old one, at the front)
-- returns ms that a rate limit still holds, 0 for none | -1 no such job | -2 no lock | -6 another token's lock
--@include handback
--@include lock

local mode, id, token, notRun, limitMillis, priority = unpack(ARGV)
local q = openQueue(KEYS[1], mode)
local key = q.p .. id
if redis.call('EXISTS', key) ~= 1 then
  return -1
end
check().run(q.p, id)
local code = unlock(q.p, id, token)
if code < 0 then
  return code
end
if limitMillis ~= '' then
  redis.call('SET', q.p .. 'limiter', '9007199254740991', 'PX', limitMillis)
end
if redis.call('LREM', q.p .. 'active', '1', id) > 0 then
  if notRun == '1' then
    local started = redis.pcall('HINCRBY', key, 'ats', -1)
    if type(started) == 'number' and started < 1 then
      redis.call('HDEL', key, 'ats', 'processedOn', 'pb')
    end
  end
  if priority == '' then
    handBack(q, id)
  else
    redis.call('HSET', key, 'priority', priority)
    if priority == '0' then
      push(q, 'LPUSH', id)
    else
      pushPrioritized(q, tonumber(priority), id)
    end
    emitTrim(q, 'waiting', 'jobId', id, 'prev', 'active')
  end
end
return math.max(redis.call('PTTL', q.p .. 'limiter'), 0)
