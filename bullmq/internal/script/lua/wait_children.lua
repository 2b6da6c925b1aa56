-- wait_children lets a running job wait for its children.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 now ms  3 id  4 token
-- returns 0 | 1 there is nothing to wait for | -1 no such job | -2 no lock | -3 not active
--       | -6 another's lock | -9 failed children
--@include check
--@include events
--@include lock

local q = openQueue(KEYS[1], ARGV[1])
local id = ARGV[3]
local key = q.p .. id
if redis.call('EXISTS', key) ~= 1 then
  return -1
end
if need(key .. ':unsuccessful', 'ZCARD') > 0 then
  return -9
end
if need(key .. ':dependencies', 'SCARD') == 0 then
  return 1
end
check().keys(q.p, 'active', 'stalled', 'waiting-children', 'events')
local code = unlock(q.p, id, ARGV[4])
if code < 0 then
  return code
end
if redis.call('LREM', q.p .. 'active', -1, id) == 0 then
  return -3
end
redis.call('ZADD', q.p .. 'waiting-children', int(tonumber(ARGV[2])), id)
emit(q, 'waiting-children', 'jobId', id, 'prev', 'active')
return 0
