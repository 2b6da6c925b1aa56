-- leave_parent removes a job from its parent's children, so the parent no longer waits for it.
-- KEYS  1 queue prefix
-- ARGV  1 pause mode  2 id  3 parent key
-- returns 0 | 1 the parent did not wait for it | -1 no such job | -5 no such parent
--@include delete

local mode, id, parentKey = unpack(ARGV)
local key = KEYS[1] .. id
if redis.call('EXISTS', key) ~= 1 then
  return -1
end
need(key, 'HLEN')
check().parent(key)
if redis.call('EXISTS', parentKey) ~= 1 then
  return -5
end
if redis.call('SISMEMBER', parentKey .. ':dependencies', key) ~= 1 then
  return 1
end
detach(key, parentKey, mode, false, KEYS[1])
redis.call('HDEL', key, 'parentKey', 'parent')
return 0
