-- wait_children makes a running job wait for its children. If none is unfinished, the job is
-- handed back to the front of the queue.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 now ms  3 id  4 token  5 key of the child to wait for ('' all)
-- returns 0 | 1 it was handed back | -1 no such job | -2 no lock | -3 not active
--       | -6 another token's lock | -9 failed children
--@include handback
--@include lock

local mode, now, id, token, child = unpack(ARGV)
local q = openQueue(KEYS[1], mode)
local key = q.p .. id
if redis.call('EXISTS', key) ~= 1 then
  return -1
end
if need(key .. ':unsuccessful', 'ZCARD') > 0 then
  return -9
end
local waits = need(key .. ':dependencies', 'SCARD') > 0
if waits and child ~= '' then
  waits = redis.call('SISMEMBER', key .. ':dependencies', child) == 1
end
check().run(q.p, id)
check().keys(q.p, 'waiting-children')
local code = unlock(q.p, id, token)
if code < 0 then
  return code
end
if redis.call('LREM', q.p .. 'active', '-1', id) == 0 then
  return -3
end
if not waits then
  handBack(q, id)
  return 1
end
redis.call('ZADD', q.p .. 'waiting-children', int(tonumber(now)), id)
emit(q, 'waiting-children', 'jobId', id, 'prev', 'active')
return 0
