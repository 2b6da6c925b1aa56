-- limit_ttl returns how long the rate limit still holds.
-- KEYS  1 queue prefix
-- ARGV  1 limiter max ('' the queue's own, else any counter counts)
-- returns ms, 0 for none
--@include queue
--@include limit

local workerMax = unpack(ARGV)
local q = openQueue(KEYS[1], '6')
local max = tonumber(workerMax) or q.max
if max then
  return limitTTL(q, max)
end
return math.max(redis.call('PTTL', q.p .. 'limiter'), 0)
