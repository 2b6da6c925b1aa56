-- update_data replaces a job's payload.
-- KEYS  1 queue prefix
-- ARGV  1 id  2 data (JSON)
-- returns 0 | -1 no such job
local key = KEYS[1] .. ARGV[1]
if redis.call('EXISTS', key) ~= 1 then
  return -1
end
redis.call('HSET', key, 'data', ARGV[2])
return 0
