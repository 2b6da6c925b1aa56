-- free_dedup frees a deduplication id that a job holds.
-- KEYS  1 queue prefix
-- ARGV  1 job id  2 deduplication id
-- returns 1 | 0 the job does not hold it
local key = KEYS[1] .. 'de:' .. ARGV[2]
if redis.call('GET', key) == ARGV[1] then
  return redis.call('DEL', key)
end
return 0
