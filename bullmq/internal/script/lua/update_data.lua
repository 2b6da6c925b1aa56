-- update_data replaces a job's payload.
-- KEYS  1 queue prefix
-- ARGV  1 id  2 data (JSON)
-- returns 0 | -1 no such job

local id, data = unpack(ARGV)
local key = KEYS[1] .. id
if redis.call('EXISTS', key) ~= 1 then
  return -1
end
redis.call('HSET', key, 'data', data)
return 0
