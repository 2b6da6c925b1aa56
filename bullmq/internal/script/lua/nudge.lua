-- nudge sets the marker as the queue's contents require. A worker that stops or pauses calls
-- it, because it may have taken a marker without a fetch.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode
-- returns 0
--@include queue

local mode = unpack(ARGV)
local q = openQueue(KEYS[1], mode)
if redis.call('LLEN', q.p .. 'wait') > 0 or redis.call('ZCARD', q.p .. 'prioritized') > 0 then
  baseMarker(q)
else
  delayMarker(q)
end
return 0
